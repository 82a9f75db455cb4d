#include "textflag.h"
#include "words_arm64.h"

// Products of 16 rows of packed block-scaled weights and activations of one token, added to the rows in
// V16 to V23, two each.
//
//	R0 dst, R1 weights, R8 where mantissas of the rows begin behind the codes, R2 activations, R3 sums of
//	blocks of activations, R4 blocks, R5 times of 16 columns in a block, R6 whether there are offsets,
//	R7 times of 16 columns left

#define ARGUMENTS \
	MOVD dst+0(FP), R0      \
	MOVD w+8(FP), R1        \
	MOVD half+16(FP), R8    \
	MOVD x+24(FP), R2       \
	MOVD sums+32(FP), R3    \
	MOVD blocks+40(FP), R4  \
	MOVD parts+48(FP), R5   \
	MOVD offsets+56(FP), R6 \
	MOVD R0, R9             \
	VLD1.P 64(R9), [V16.D2, V17.D2, V18.D2, V19.D2] \
	VLD1   (R9), [V20.D2, V21.D2, V22.D2, V23.D2]

#define STORE \
	VST1.P [V16.D2, V17.D2, V18.D2, V19.D2], 64(R0) \
	VST1   [V20.D2, V21.D2, V22.D2, V23.D2], (R0)

#define ZERO4(A, B, C, D) \
	VEOR A.B16, A.B16, A.B16 \
	VEOR B.B16, B.B16, B.B16 \
	VEOR C.B16, C.B16, C.B16 \
	VEOR D.B16, D.B16, D.B16

// SCALE adds the products of V28 to V31, 4 rows each, with as many in a, b, c and d.
#define SCALE(a, b, c, d) \
	SMLAL_D(28, a, 16)   \
	SMLAL2_D(28, a, 17)  \
	SMLAL_D(29, b, 18)   \
	SMLAL2_D(29, b, 19)  \
	SMLAL_D(30, c, 20)   \
	SMLAL2_D(30, c, 21)  \
	SMLAL_D(31, d, 22)   \
	SMLAL2_D(31, d, 23)

// WORDS brings the mantissas or offsets of the rows to V28 to V31.
#define WORDS \
	ADD  R8, R1, R9 \
	VLD1 (R9), [V28.S4, V29.S4, V30.S4, V31.S4]

#define OFFSETS \
	ADD     $128, R1        \
	WORDS                   \
	VLD1R.P 4(R3), [V24.S4] \
	SCALE(24, 24, 24, 24)

// LOAD8, LOW4 and HIGH4 bring 4 columns of 16 rows to V8 to V11.
#define LOAD8 \
	PRFM 4096(R1), PLDL2KEEP                        \
	VLD1 (R1), [V8.B16, V9.B16, V10.B16, V11.B16]   \
	ADD  $128, R1

#define LOAD4 \
	PRFM   4096(R1), PLDL2KEEP                        \
	VLD1.P 64(R1), [V8.B16, V9.B16, V10.B16, V11.B16]

#define HIGH4 \
	LOAD4          \
	SSHR4_B(8, 8)   \
	SSHR4_B(9, 9)   \
	SSHR4_B(10, 10) \
	SSHR4_B(11, 11)

#define LOW4 \
	LOAD4                    \
	VSHL $4, V8.B16, V8.B16   \
	VSHL $4, V9.B16, V9.B16   \
	VSHL $4, V10.B16, V10.B16 \
	VSHL $4, V11.B16, V11.B16 \
	SSHR4_B(8, 8)   \
	SSHR4_B(9, 9)   \
	SSHR4_B(10, 10) \
	SSHR4_B(11, 11)

// PAIR adds 4 columns: high bytes of activations at h of V24, low ones at l.
#define PAIR(h, l) \
	SDOT(24, h, 8, 0)  \
	SDOT(24, l, 8, 4)  \
	SDOT(24, h, 9, 1)  \
	SDOT(24, l, 9, 5)  \
	SDOT(24, h, 10, 2) \
	SDOT(24, l, 10, 6) \
	SDOT(24, h, 11, 3) \
	SDOT(24, l, 11, 7)

// DIGITS makes V0 to V3 the dot products of a block, 256 * high + low: below 2^7 * (2^15 + 2^7) * 2^5.
#define DIGITS \
	VSHL $8, V0.S4, V0.S4     \
	VSHL $8, V1.S4, V1.S4     \
	VSHL $8, V2.S4, V2.S4     \
	VSHL $8, V3.S4, V3.S4     \
	VADD V4.S4, V0.S4, V0.S4  \
	VADD V5.S4, V1.S4, V1.S4  \
	VADD V6.S4, V2.S4, V2.S4  \
	VADD V7.S4, V3.S4, V3.S4

#define COLUMNS_SDOT(LOAD) \
	VLD1.P 16(R2), [V24.B16] \
	LOAD                     \
	PAIR(0, 1)               \
	LOAD                     \
	PAIR(2, 3)               \
	VLD1.P 16(R2), [V24.B16] \
	LOAD                     \
	PAIR(0, 1)               \
	LOAD                     \
	PAIR(2, 3)

#define BODY_SDOT(LOAD, block, columns, next) \
	ARGUMENTS              \
block:                     \
	ZERO4(V0, V1, V2, V3)  \
	ZERO4(V4, V5, V6, V7)  \
	MOVD R5, R7            \
columns:                   \
	COLUMNS_SDOT(LOAD)     \
	SUB  $1, R7            \
	CBNZ R7, columns       \
	DIGITS                 \
	WORDS                  \
	SCALE(0, 1, 2, 3)      \
	CBZ  R6, next          \
	OFFSETS                \
next:                      \
	ADD  $128, R1          \
	SUB  $1, R4            \
	CBNZ R4, block         \
	STORE                  \
	RET

// func blockSDOT(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
TEXT ·blockSDOT(SB), NOSPLIT, $0-64
	BODY_SDOT(LOAD8, block, columns, next)

// func lowSDOT(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
TEXT ·lowSDOT(SB), NOSPLIT, $0-64
	BODY_SDOT(LOW4, block, columns, next)

// func highSDOT(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
TEXT ·highSDOT(SB), NOSPLIT, $0-64
	BODY_SDOT(HIGH4, block, columns, next)

// Without dot products of bytes a row has a register, whose lanes are the columns of a group: V0 to V7,
// V12 to V15 and V28 to V31, which are free before mantissas come.

// ROW4 adds 4 rows of a group, w, to their sums; V24 has 4 activations twice.
#define ROW4(w, a, b, c, d) \
	SXTL_H(w, 25)         \
	SXTL2_H(w, 26)        \
	SMLAL_S(24, 25, a)    \
	SMLAL2_S(24, 25, b)   \
	SMLAL_S(24, 26, c)    \
	SMLAL2_S(24, 26, d)

#define COLUMN_NEON(LOAD) \
	VLD1R.P 8(R2), [V24.D2]   \
	LOAD                      \
	ROW4(8, 0, 1, 2, 3)       \
	ROW4(9, 4, 5, 6, 7)       \
	ROW4(10, 12, 13, 14, 15)  \
	ROW4(11, 28, 29, 30, 31)

// GATHER makes A the sums of 4 rows.
#define GATHER(A, B, C, D) \
	VADDP B.S4, A.S4, A.S4 \
	VADDP D.S4, C.S4, C.S4 \
	VADDP C.S4, A.S4, A.S4

#define BODY_NEON(LOAD, block, columns, next) \
	ARGUMENTS                     \
block:                            \
	ZERO4(V0, V1, V2, V3)         \
	ZERO4(V4, V5, V6, V7)         \
	ZERO4(V12, V13, V14, V15)     \
	ZERO4(V28, V29, V30, V31)     \
	MOVD R5, R7                   \
columns:                          \
	COLUMN_NEON(LOAD)             \
	COLUMN_NEON(LOAD)             \
	COLUMN_NEON(LOAD)             \
	COLUMN_NEON(LOAD)             \
	SUB  $1, R7                   \
	CBNZ R7, columns              \
	GATHER(V0, V1, V2, V3)        \
	GATHER(V4, V5, V6, V7)        \
	GATHER(V12, V13, V14, V15)    \
	GATHER(V28, V29, V30, V31)    \
	VMOV V28.B16, V13.B16         \
	WORDS                         \
	SCALE(0, 4, 12, 13)           \
	CBZ  R6, next                 \
	OFFSETS                       \
next:                             \
	ADD  $128, R1                 \
	SUB  $1, R4                   \
	CBNZ R4, block                \
	STORE                         \
	RET

// func blockNEON(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
TEXT ·blockNEON(SB), NOSPLIT, $0-64
	BODY_NEON(LOAD8, block, columns, next)

// func lowNEON(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
TEXT ·lowNEON(SB), NOSPLIT, $0-64
	BODY_NEON(LOW4, block, columns, next)

// func highNEON(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
TEXT ·highNEON(SB), NOSPLIT, $0-64
	BODY_NEON(HIGH4, block, columns, next)
