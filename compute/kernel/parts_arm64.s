#include "textflag.h"
#include "words_arm64.h"

// Kernels of attention, of reductions and element by element.

#define ZERO4(A, B, C, D) \
	VEOR A.B16, A.B16, A.B16 \
	VEOR B.B16, B.B16, B.B16 \
	VEOR C.B16, C.B16, C.B16 \
	VEOR D.B16, D.B16, D.B16

// func scoreNEON(dst *int64, q, k *int16, stride, blocks, n int)
// dst[j] = q . k[j] for n positions, stride bytes apart, 16 elements a block. Products are at most 2^30.
TEXT ·scoreNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD q+8(FP), R1
	MOVD k+16(FP), R2
	MOVD stride+24(FP), R3
	MOVD blocks+32(FP), R4
	MOVD n+40(FP), R5

position:
	MOVD R1, R6
	MOVD R2, R7
	MOVD R4, R8
	ZERO4(V0, V1, V2, V3)

dims:
	VLD1.P 32(R6), [V4.B16, V5.B16]
	VLD1.P 32(R7), [V6.B16, V7.B16]
	SMULL_S(6, 4, 16)
	SMULL2_S(6, 4, 17)
	SMULL_S(7, 5, 18)
	SMULL2_S(7, 5, 19)
	SADALP_D(16, 0)
	SADALP_D(17, 1)
	SADALP_D(18, 2)
	SADALP_D(19, 3)
	SUB    $1, R8
	CBNZ   R8, dims
	VADD   V1.D2, V0.D2, V0.D2
	VADD   V3.D2, V2.D2, V2.D2
	VADD   V2.D2, V0.D2, V0.D2
	VMOV   V0.D[0], R6
	VMOV   V0.D[1], R7
	ADD    R7, R6
	MOVD.P R6, 8(R0)
	ADD    R3, R2
	SUB    $1, R5
	CBNZ   R5, position
	RET

// func mixNEON(dst, p *int64, v *int16, stride, n int)
// dst[i] = sum over n positions of p * v[position][i] for 16 dims, at most 128 positions.
TEXT ·mixNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD p+8(FP), R1
	MOVD v+16(FP), R2
	MOVD stride+24(FP), R3
	MOVD n+32(FP), R4
	ZERO4(V0, V1, V2, V3)
	ZERO4(V4, V5, V6, V7)

mix:
	VLD1R.P 4(R1), [V24.S4]
	VLD1    (R2), [V16.B16, V17.B16]
	SXTL_S(16, 18)
	SXTL2_S(16, 19)
	SXTL_S(17, 20)
	SXTL2_S(17, 21)
	SMLAL_D(24, 18, 0)
	SMLAL2_D(24, 18, 1)
	SMLAL_D(24, 19, 2)
	SMLAL2_D(24, 19, 3)
	SMLAL_D(24, 20, 4)
	SMLAL2_D(24, 20, 5)
	SMLAL_D(24, 21, 6)
	SMLAL2_D(24, 21, 7)
	ADD     R3, R2
	SUB     $1, R4
	CBNZ    R4, mix
	VST1.P  [V0.D2, V1.D2, V2.D2, V3.D2], 64(R0)
	VST1    [V4.D2, V5.D2, V6.D2, V7.D2], (R0)
	RET

// func maxAbsNEON(x *int32, n int) uint32
TEXT ·maxAbsNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

abs:
	VLD1.P 32(R0), [V2.B16, V3.B16]
	ABS_S(2, 2)
	ABS_S(3, 3)
	VUMAX  V2.S4, V0.S4, V0.S4
	VUMAX  V3.S4, V1.S4, V1.S4
	SUB    $1, R1
	CBNZ   R1, abs
	VUMAX  V1.S4, V0.S4, V0.S4
	UMAXV_S(0, 0)
	VMOV   V0.S[0], R0
	MOVW   R0, ret+16(FP)
	RET

// func maxNEON(x *int32, n int) int32
TEXT ·maxNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	VLD1 (R0), [V0.B16, V1.B16]

most:
	VLD1.P 32(R0), [V2.B16, V3.B16]
	SMAX_S(2, 0, 0)
	SMAX_S(3, 1, 1)
	SUB    $1, R1
	CBNZ   R1, most
	SMAX_S(1, 0, 0)
	SMAXV_S(0, 0)
	VMOV   V0.S[0], R0
	MOVW   R0, ret+16(FP)
	RET

// func sumNEON(x *int32, n int) int64
TEXT ·sumNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

sum:
	VLD1.P 32(R0), [V2.B16, V3.B16]
	SADALP_D(2, 0)
	SADALP_D(3, 1)
	SUB    $1, R1
	CBNZ   R1, sum
	VADD   V1.D2, V0.D2, V0.D2
	VMOV   V0.D[0], R0
	VMOV   V0.D[1], R1
	ADD    R1, R0
	MOVD   R0, ret+16(FP)
	RET

// func squaresNEON(x *int32, s, n int) int64
// The sum of floor(x / 2^s)^2, at most 256 elements.
TEXT ·squaresNEON(SB), NOSPLIT, $0-32
	MOVD x+0(FP), R0
	MOVD s+8(FP), R2
	MOVD n+16(FP), R1
	NEG  R2, R2
	VDUP R2, V5.S4
	ZERO4(V0, V1, V2, V3)

squares:
	VLD1.P 32(R0), [V6.B16, V7.B16]
	SSHL_S(5, 6, 6)
	SSHL_S(5, 7, 7)
	SMLAL_D(6, 6, 0)
	SMLAL2_D(6, 6, 1)
	SMLAL_D(7, 7, 2)
	SMLAL2_D(7, 7, 3)
	SUB    $1, R1
	CBNZ   R1, squares
	VADD   V1.D2, V0.D2, V0.D2
	VADD   V3.D2, V2.D2, V2.D2
	VADD   V2.D2, V0.D2, V0.D2
	VMOV   V0.D[0], R0
	VMOV   V0.D[1], R1
	ADD    R1, R0
	MOVD   R0, ret+24(FP)
	RET

// func addNEON(dst, x, a *int32, n int)
TEXT ·addNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD a+16(FP), R2
	MOVD n+24(FP), R3

add:
	VLD1.P 32(R1), [V0.B16, V1.B16]
	VLD1.P 32(R2), [V2.B16, V3.B16]
	SQADD_S(2, 0, 0)
	SQADD_S(3, 1, 1)
	VST1.P [V0.B16, V1.B16], 32(R0)
	SUB    $1, R3
	CBNZ   R3, add
	RET

// func quantNEON(dst *int16, x *int32, s, n int)
// Rounding shifts of 33 and more give 0, as shifts of numbers of 32 bits do.
TEXT ·quantNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD s+16(FP), R2
	MOVD n+24(FP), R3
	NEG  R2, R2
	VDUP R2, V5.S4

quant:
	VLD1.P 32(R1), [V0.B16, V1.B16]
	SRSHL_S(5, 0, 0)
	SRSHL_S(5, 1, 1)
	SQXTN_H(0, 2)
	SQXTN2_H(1, 2)
	VST1.P [V2.B16], 16(R0)
	SUB    $1, R3
	CBNZ   R3, quant
	RET
