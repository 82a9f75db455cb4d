#include "textflag.h"
#include "words_arm64.h"

// Products of packed weights and activations: a group, 4 columns of 32 rows, is 128 bytes.

#define ZERO4(A, B, C, D) \
	VEOR A.B16, A.B16, A.B16 \
	VEOR B.B16, B.B16, B.B16 \
	VEOR C.B16, C.B16, C.B16 \
	VEOR D.B16, D.B16, D.B16

// FOUR adds 16 rows of a group, in V16 to V19, with activations in V24: high bytes at h, low ones at l.
#define FOUR(h, l, H0, L0) \
	SDOT(24, h, 16, H0)     \
	SDOT(24, l, 16, L0)     \
	SDOT(24, h, 17, H0+1)   \
	SDOT(24, l, 17, L0+1)   \
	SDOT(24, h, 18, H0+2)   \
	SDOT(24, l, 18, L0+2)   \
	SDOT(24, h, 19, H0+3)   \
	SDOT(24, l, 19, L0+3)

#define GROUP(h, l) \
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16] \
	FOUR(h, l, 0, 8)                                    \
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16] \
	FOUR(h, l, 4, 12)

// JOIN writes 4 rows, 256 * H + L.
#define JOIN(H, L) \
	SSHLL8_D(H, 16)                    \
	SSHLL28_D(H, 17)                   \
	SADDW_D(L, 16, 16)                 \
	SADDW2_D(L, 17, 17)                \
	VST1.P [V16.D2, V17.D2], 32(R0)

// func dot1SDOT(dst *int64, w *int8, x *int16, groups int, sum *int32)
// Sums of low bytes begin with 2^7 times the sum of the weights: bytes are low ones less 2^7. They end
// below 2^7 * (2^8 - 1) * 2^16 < 2^31; what they are between does not matter.
TEXT ·dot1SDOT(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD w+8(FP), R1
	MOVD x+16(FP), R2
	MOVD groups+24(FP), R3
	MOVD sum+32(FP), R4
	ZERO4(V0, V1, V2, V3)
	ZERO4(V4, V5, V6, V7)
	VLD1.P 64(R4), [V8.S4, V9.S4, V10.S4, V11.S4]
	VLD1 (R4), [V12.S4, V13.S4, V14.S4, V15.S4]
	VSHL $7, V8.S4, V8.S4
	VSHL $7, V9.S4, V9.S4
	VSHL $7, V10.S4, V10.S4
	VSHL $7, V11.S4, V11.S4
	VSHL $7, V12.S4, V12.S4
	VSHL $7, V13.S4, V13.S4
	VSHL $7, V14.S4, V14.S4
	VSHL $7, V15.S4, V15.S4

loop: // groups are a multiple of 4
	PRFM   4096(R1), PLDL2KEEP
	PRFM   4160(R1), PLDL2KEEP
	PRFM   4224(R1), PLDL2KEEP
	PRFM   4288(R1), PLDL2KEEP
	VLD1.P 16(R2), [V24.B16]
	GROUP(0, 1)
	GROUP(2, 3)
	SUB    $2, R3
	CBNZ   R3, loop
	JOIN(0, 8)
	JOIN(1, 9)
	JOIN(2, 10)
	JOIN(3, 11)
	JOIN(4, 12)
	JOIN(5, 13)
	JOIN(6, 14)
	JOIN(7, 15)
	RET

// ROWS adds 4 rows of V24 to sums of products, each lane a product of a row; V27 has 4 activations twice.
#define ROWS(w, R) \
	SXTL_H(w, 25)           \
	SXTL2_H(w, 26)          \
	SMLAL_S(27, 25, R)      \
	SMLAL2_S(27, 25, R+1)   \
	SMLAL_S(27, 26, R+2)    \
	SMLAL2_S(27, 26, R+3)

// TOTAL adds the sums of a row to dst.
#define TOTAL(V, n) \
	SADDLV_D(n, n)       \
	VMOV V.D[0], R5      \
	MOVD (R0), R6        \
	ADD  R5, R6          \
	MOVD.P R6, 8(R0)

// func dot1NEON(dst *int64, w *int8, x *int16, groups int)
// 16 rows, of each group the first 64 bytes from w on; a lane adds a product below 2^22 for a group, so
// that it takes 511 of them.
TEXT ·dot1NEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD w+8(FP), R1
	MOVD x+16(FP), R2
	MOVD groups+24(FP), R3
	ZERO4(V0, V1, V2, V3)
	ZERO4(V4, V5, V6, V7)
	ZERO4(V8, V9, V10, V11)
	ZERO4(V12, V13, V14, V15)

loop:
	PRFM    4096(R1), PLDL2KEEP
	VLD1R.P 8(R2), [V27.D2]
	VLD1    (R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	ROWS(16, 0)
	ROWS(17, 4)
	ROWS(18, 8)
	ROWS(19, 12)
	ADD     $128, R1
	SUB     $1, R3
	CBNZ    R3, loop
	TOTAL(V0, 0)
	TOTAL(V1, 1)
	TOTAL(V2, 2)
	TOTAL(V3, 3)
	TOTAL(V4, 4)
	TOTAL(V5, 5)
	TOTAL(V6, 6)
	TOTAL(V7, 7)
	TOTAL(V8, 8)
	TOTAL(V9, 9)
	TOTAL(V10, 10)
	TOTAL(V11, 11)
	TOTAL(V12, 12)
	TOTAL(V13, 13)
	TOTAL(V14, 14)
	TOTAL(V15, 15)
	RET

// Bytes 1 3 5 7 0 2 4 6 of each 8: the high bytes of 4 words, then the low ones.
DATA widenOrder<>+0(SB)/8, $0x0604020007050301
DATA widenOrder<>+8(SB)/8, $0x0e0c0a080f0d0b09
GLOBL widenOrder<>(SB), RODATA|NOPTR, $16

// func widen32SDOT(dst, x *int16, n int)
TEXT ·widen32SDOT(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	MOVD $widenOrder<>(SB), R3
	VLD1 (R3), [V4.B16]
	MOVD $0x8080808000000000, R3 // low bytes less 2^7
	VDUP R3, V5.D2

widen:
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	VTBL   V4.B16, [V0.B16], V0.B16
	VTBL   V4.B16, [V1.B16], V1.B16
	VTBL   V4.B16, [V2.B16], V2.B16
	VTBL   V4.B16, [V3.B16], V3.B16
	VEOR   V5.B16, V0.B16, V0.B16
	VEOR   V5.B16, V1.B16, V1.B16
	VEOR   V5.B16, V2.B16, V2.B16
	VEOR   V5.B16, V3.B16, V3.B16
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0)
	SUB    $1, R2
	CBNZ   R2, widen
	RET
