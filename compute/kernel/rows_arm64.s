#include "textflag.h"
#include "words_arm64.h"

// Kernels element by element whose products have 64 bits: 4 elements at a time. NEON multiplies 32 bits
// by 32 only.

// PRODUCTS makes V12 and V13 the products of 4 numbers of 64 bits, V0 and V1, with 4 of 32 bits in V2, whose
// signs are in V11, modulo 2^64: low words times V2, and 2^32 times high words times V2, less 2^32 times
// low words where V2 is below 0.
#define PRODUCTS \
	VUZP1   V1.S4, V0.S4, V8.S4   \
	VUZP2   V1.S4, V0.S4, V9.S4   \
	MUL_S(2, 9, 10)               \
	VAND    V8.B16, V11.B16, V14.B16 \
	VSUB    V14.S4, V10.S4, V10.S4 \
	UMULL_D(2, 8, 12)             \
	UMULL2_D(2, 8, 13)            \
	SHLL_D(10, 14)                \
	SHLL2_D(10, 15)               \
	VADD    V14.D2, V12.D2, V12.D2 \
	VADD    V15.D2, V13.D2, V13.D2

// FINISH multiplies 4 sums with their mantissas and shifts them: V16 is rs(sum * mant, exp - s), saturated.
#define FINISH \
	VLD1.P  32(R1), [V0.D2, V1.D2] \
	VLD1.P  16(R2), [V2.S4]       \
	VLD1.P  16(R3), [V3.S4]       \
	VSUB    V3.S4, V30.S4, V3.S4  \
	SXTL_D(3, 4)                  \
	SXTL2_D(3, 5)                 \
	SSHR_S(31, 2, 11)             \
	PRODUCTS                      \
	SRSHL_D(4, 12, 12)            \
	SRSHL_D(5, 13, 13)            \
	SQXTN_S(12, 16)               \
	SQXTN2_S(13, 16)

#define FINISH_ARGUMENTS \
	MOVD dst+0(FP), R0            \
	MOVD sum+8(FP), R1            \
	MOVD mant+16(FP), R2          \
	MOVD exp+24(FP), R3           \
	MOVD s+32(FP), R4             \
	MOVD n+40(FP), R5             \
	VDUP R4, V30.S4

// func finish32NEON(dst *int32, sum *int64, mant, exp *int32, s int64, n int)
// 4 * n rows.
TEXT ·finish32NEON(SB), NOSPLIT, $0-48
	FINISH_ARGUMENTS

finish:
	FINISH
	VST1.P [V16.S4], 16(R0)
	SUB    $1, R5
	CBNZ   R5, finish
	RET

// func finish16NEON(dst *int16, sum *int64, mant, exp *int32, s int64, n int)
TEXT ·finish16NEON(SB), NOSPLIT, $0-48
	FINISH_ARGUMENTS

finish:
	FINISH
	SQXTN_H(16, 16)
	VST1.P [V16.H4], 8(R0)
	SUB    $1, R5
	CBNZ   R5, finish
	RET

// func scaleNEON(dst *int32, x *int64, offset, mult, s int64, n int)
// rs((x - offset) * mult, s), saturated, for 4 * n elements and a multiplier of 32 bits.
TEXT ·scaleNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD offset+16(FP), R2
	MOVD mult+24(FP), R3
	MOVD s+32(FP), R4
	MOVD n+40(FP), R5
	VDUP R2, V31.D2
	VDUP R3, V2.S4
	NEG  R4, R4
	VDUP R4, V30.D2
	SSHR_S(31, 2, 11)

scale:
	VLD1.P 32(R1), [V0.D2, V1.D2]
	VSUB   V31.D2, V0.D2, V0.D2
	VSUB   V31.D2, V1.D2, V1.D2
	PRODUCTS
	SRSHL_D(30, 12, 12)
	SRSHL_D(30, 13, 13)
	SQXTN_S(12, 16)
	SQXTN2_S(13, 16)
	VST1.P [V16.S4], 16(R0)
	SUB    $1, R5
	CBNZ   R5, scale
	RET

// func normNEON(dst *int16, x *int32, inv, s int64, gamma *int32, gs int64, n int) (beyond uint32)
// 4 * n elements, inv of 31 bits. What is to be multiplied by gamma must fit 32 bits: beyond is 0 if all did.
TEXT ·normNEON(SB), NOSPLIT, $0-60
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD inv+16(FP), R2
	MOVD s+24(FP), R3
	MOVD gamma+32(FP), R4
	MOVD gs+40(FP), R5
	MOVD n+48(FP), R6
	VDUP R2, V20.S4
	NEG  R3, R3
	VDUP R3, V21.D2
	NEG  R5, R5
	VDUP R5, V22.D2
	VEOR V23.B16, V23.B16, V23.B16
	CBZ  R4, plain

gamma:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R4), [V2.S4]
	SMULL_D(20, 0, 4)
	SMULL2_D(20, 0, 5)
	SRSHL_D(21, 4, 4)
	SRSHL_D(21, 5, 5)
	VUZP1  V5.S4, V4.S4, V6.S4
	VUZP2  V5.S4, V4.S4, V7.S4
	SSHR_S(31, 6, 8)
	VEOR   V8.B16, V7.B16, V7.B16
	VORR   V7.B16, V23.B16, V23.B16
	SMULL_D(2, 6, 4)
	SMULL2_D(2, 6, 5)
	SRSHL_D(22, 4, 4)
	SRSHL_D(22, 5, 5)
	SQXTN_S(4, 6)
	SQXTN2_S(5, 6)
	SQXTN_H(6, 6)
	VST1.P [V6.H4], 8(R0)
	SUB    $1, R6
	CBNZ   R6, gamma
	UMAXV_S(23, 23)
	VMOV   V23.S[0], R0
	MOVW   R0, beyond+56(FP)
	RET

plain:
	VLD1.P 16(R1), [V0.S4]
	SMULL_D(20, 0, 4)
	SMULL2_D(20, 0, 5)
	SRSHL_D(21, 4, 4)
	SRSHL_D(21, 5, 5)
	SQXTN_S(4, 6)
	SQXTN2_S(5, 6)
	SQXTN_H(6, 6)
	VST1.P [V6.H4], 8(R0)
	SUB    $1, R6
	CBNZ   R6, plain
	MOVW   ZR, beyond+56(FP)
	RET

// ROTATE turns 4 pairs: u in V0, v in V1, cosine in V2, sine in V3, to V16 and V17.
#define ROTATE \
	SMULL_D(2, 0, 4)              \
	SMULL2_D(2, 0, 5)             \
	SMLSL_D(3, 1, 4)              \
	SMLSL2_D(3, 1, 5)             \
	SMULL_D(3, 0, 6)              \
	SMULL2_D(3, 0, 7)             \
	SMLAL_D(2, 1, 6)              \
	SMLAL2_D(2, 1, 7)             \
	SRSHL_D(30, 4, 4)             \
	SRSHL_D(30, 5, 5)             \
	SRSHL_D(30, 6, 6)             \
	SRSHL_D(30, 7, 7)             \
	SQXTN_S(4, 16)                \
	SQXTN2_S(5, 16)               \
	SQXTN_S(6, 17)                \
	SQXTN2_S(7, 17)               \
	SQXTN_H(16, 16)               \
	SQXTN_H(17, 17)

// func ropePairsNEON(dst *int16, x, angle *int32, s, n int)
// 4 * n neighbouring pairs.
TEXT ·ropePairsNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD angle+16(FP), R2
	MOVD s+24(FP), R3
	MOVD n+32(FP), R4
	NEG  R3, R3
	VDUP R3, V30.D2

pairs:
	VLD2.P 32(R1), [V0.S4, V1.S4]
	VLD2.P 32(R2), [V2.S4, V3.S4]
	ROTATE
	VST2.P [V16.H4, V17.H4], 16(R0)
	SUB    $1, R4
	CBNZ   R4, pairs
	RET

// func ropeHalvesNEON(dst *int16, x, angle *int32, half, s, n int)
// 4 * n pairs whose second elements stand half elements behind.
TEXT ·ropeHalvesNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD angle+16(FP), R2
	MOVD half+24(FP), R5
	MOVD s+32(FP), R3
	MOVD n+40(FP), R4
	NEG  R3, R3
	VDUP R3, V30.D2
	ADD  R5<<2, R1, R6
	ADD  R5<<1, R0, R7

halves:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R6), [V1.S4]
	VLD2.P 32(R2), [V2.S4, V3.S4]
	ROTATE
	VST1.P [V16.H4], 8(R0)
	VST1.P [V17.H4], 8(R7)
	SUB    $1, R4
	CBNZ   R4, halves
	RET

// EXP2 makes V6 the value of 2^(V0 / 2^16) in Q30, V0 of -2^23..0, over 2^V27: R3 is the table, a value
// in the low half and a difference in the high one; V26 holds 255, V28 -63. V1 to V7 are scratch.
#define EXP2 \
	SSHR_S(16, 0, 1)              \
	VAND  V26.B16, V0.B16, V2.B16 \
	VUSHR $8, V0.S4, V3.S4        \
	VAND  V26.B16, V3.B16, V3.B16 \
	VMOV  V3.D[0], R8             \
	VMOV  V3.D[1], R10            \
	MOVWU R8, R9                  \
	MOVWU R10, R11                \
	LSR   $32, R8                 \
	LSR   $32, R10                \
	MOVD  (R3)(R9<<3), R9         \
	MOVD  (R3)(R8<<3), R8         \
	MOVD  (R3)(R11<<3), R11       \
	MOVD  (R3)(R10<<3), R10       \
	VMOV  R9, V4.D[0]             \
	VMOV  R8, V4.D[1]             \
	VMOV  R11, V5.D[0]            \
	VMOV  R10, V5.D[1]            \
	VUZP1 V5.S4, V4.S4, V6.S4     \
	VUZP2 V5.S4, V4.S4, V7.S4     \
	MUL_S(2, 7, 7)                \
	URSHR_S(8, 7, 7)              \
	VADD  V7.S4, V6.S4, V6.S4     \
	VSUB  V27.S4, V1.S4, V1.S4    \
	SMAX_S(28, 1, 1)              \
	URSHL_S(1, 6, 6)

#define EXP2_CONSTANTS \
	MOVD $255, R8                 \
	VDUP R8, V26.S4               \
	MOVD $-63, R8                 \
	VDUP R8, V28.S4

// func exp2NEON(dst, x *int32, table *int64, low, top int32, s, n int)
// 4 * n elements, held inside low..top.
TEXT ·exp2NEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD table+16(FP), R3
	MOVW low+24(FP), R4
	MOVW top+28(FP), R5
	MOVD s+32(FP), R6
	MOVD n+40(FP), R7
	VDUP R4, V24.S4
	VDUP R5, V25.S4
	VDUP R6, V27.S4
	EXP2_CONSTANTS

exp2:
	VLD1.P 16(R1), [V0.S4]
	SMAX_S(24, 0, 0)
	SMIN_S(25, 0, 0)
	VSUB   V25.S4, V0.S4, V0.S4
	EXP2
	VST1.P [V6.S4], 16(R0)
	SUB    $1, R7
	CBNZ   R7, exp2
	RET

// func siluNEON(dst, gate, u *int32, table *int64, q, s, n int)
// 4 * n elements.
TEXT ·siluNEON(SB), NOSPLIT, $0-56
	MOVD dst+0(FP), R0
	MOVD gate+8(FP), R1
	MOVD u+16(FP), R2
	MOVD table+24(FP), R3
	MOVD q+32(FP), R4
	MOVD s+40(FP), R5
	MOVD n+48(FP), R6
	NEG  R4, R4
	VDUP R4, V21.D2
	NEG  R5, R5
	VDUP R5, V25.D2
	MOVD $94548, R8 // log2 e in Q16
	VDUP R8, V20.S4
	MOVD $0x800000, R8
	VDUP R8, V22.S4
	MOVD $0x40000000, R8
	VDUP R8, V23.S4
	VEOR V27.B16, V27.B16, V27.B16
	EXP2_CONSTANTS

silu:
	// d = -min(rs(|g| * log2 e, q), 2^23), e = exp2(d, 30) in V6
	VLD1.P 16(R1), [V29.S4]
	ABS_S(29, 1)
	UMULL_D(20, 1, 2)
	UMULL2_D(20, 1, 3)
	URSHL_D(21, 2, 2)
	URSHL_D(21, 3, 3)
	UQXTN_S(2, 4)
	UQXTN2_S(3, 4)
	VUMIN  V22.S4, V4.S4, V4.S4
	VSUB   V4.S4, V27.S4, V0.S4
	EXP2

	// sig = floor((num * 2^30 + floor(den / 2)) / den), den = 2^30 + e in V7, num = e where g < 0, else 2^30
	VADD   V23.S4, V6.S4, V7.S4
	CMLT0_S(29, 8)
	VBSL   V23.B16, V6.B16, V8.B16
	UMULL_D(23, 8, 10)
	UMULL2_D(23, 8, 11)
	VUSHR  $1, V7.S4, V12.S4
	UADDW_D(12, 10, 10)
	UADDW2_D(12, 11, 11)
	UXTL_D(7, 14)
	UXTL2_D(7, 15)
	UCVTF_D(10, 12)
	UCVTF_D(11, 13)
	UCVTF_D(14, 16)
	UCVTF_D(15, 17)
	FDIV_D(16, 12, 12)
	FDIV_D(17, 13, 13)
	FCVTZU_D(12, 12)
	FCVTZU_D(13, 13)
	VUZP1  V13.S4, V12.S4, V24.S4

	// The quotient of floats is off by one at most: what is left says where.
	UMLSL_D(7, 24, 10)
	UMLSL2_D(7, 24, 11)
	SSHR_D(63, 10, 12)
	SSHR_D(63, 11, 13)
	VUZP1  V13.S4, V12.S4, V12.S4
	VADD   V12.S4, V24.S4, V24.S4
	CMGE_D(14, 10, 12)
	CMGE_D(15, 11, 13)
	VUZP1  V13.S4, V12.S4, V12.S4
	VSUB   V12.S4, V24.S4, V24.S4

	// rs(rs(g * sig, 30) * u, s)
	SMULL_D(24, 29, 10)
	SMULL2_D(24, 29, 11)
	SRSHR_D(30, 10, 10)
	SRSHR_D(30, 11, 11)
	VUZP1  V11.S4, V10.S4, V12.S4
	VLD1.P 16(R2), [V1.S4]
	SMULL_D(1, 12, 10)
	SMULL2_D(1, 12, 11)
	SRSHL_D(25, 10, 10)
	SRSHL_D(25, 11, 11)
	SQXTN_S(10, 12)
	SQXTN2_S(11, 12)
	VST1.P [V12.S4], 16(R0)
	SUB    $1, R6
	CBNZ   R6, silu
	RET
