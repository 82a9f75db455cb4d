#include "textflag.h"

// Products of packed block-scaled weights and widened activations: 32 rows, one token or three. A
// token has four sums of one block, H0 L0 H1 L1 as in dot_avx512_amd64.s, and four of the row: E0 O0
// E1 O1, the even and the odd rows of each 16, 8 lanes of int64.
//
//	DI dst, SI weights, R8 activations, BX their stride, R10 sums of blocks of activations,
//	CX blocks, R11 times of 16 columns in a block, R12 those left, R13 whether there are offsets

#define ARGUMENTS \
	MOVQ dst+0(FP), DI      \
	MOVQ w+8(FP), SI        \
	MOVQ base+16(FP), DX    \
	MOVQ x+24(FP), R8       \
	MOVQ sums+32(FP), R10   \
	MOVQ stride+40(FP), BX  \
	MOVQ blocks+48(FP), CX  \
	MOVQ parts+56(FP), R11  \
	MOVQ offsets+64(FP), R13

// START makes the sums of a block 0 and those of rows what the offset of activations takes away.
#define START(H0, L0, H1, L1, E0, O0, E1, O1) \
	VPXORD    H0, H0, H0     \
	VPXORD    L0, L0, L0     \
	VPXORD    H1, H1, H1     \
	VPXORD    L1, L1, L1     \
	VMOVDQU64 (DX), E0       \
	VMOVDQU64 64(DX), O0     \
	VMOVDQU64 128(DX), E1    \
	VMOVDQU64 192(DX), O1

// LOAD8 and LOAD4 bring 4 columns of 32 rows to Z24 and Z25; codes of 4 bits become 16 times as
// large. Z31 holds the upper halves of bytes.
#define LOAD8(k) \
	PREFETCHT1 (1024+k*128)(SI) \
	PREFETCHT1 (1088+k*128)(SI) \
	VMOVDQU32  (k*128)(SI), Z24 \
	VMOVDQU32  (64+k*128)(SI), Z25

#define LOAD4(k) \
	PREFETCHT1 (1024+k*64)(SI) \
	VMOVDQU32  (k*64)(SI), Z25 \
	VPSLLW     $4, Z25, Z24    \
	VPANDD     Z31, Z24, Z24   \
	VPANDD     Z31, Z25, Z25

#define TOKEN(high, low, H0, L0, H1, L1) \
	VPBROADCASTD high, Z26      \
	VPBROADCASTD low, Z27       \
	VPDPBUSD     Z24, Z26, H0   \
	VPDPBUSD     Z24, Z27, L0   \
	VPDPBUSD     Z25, Z26, H1   \
	VPDPBUSD     Z25, Z27, L1

#define ONE(k) \
	TOKEN((k*8)(R8), (k*8+4)(R8), Z0, Z1, Z2, Z3)

#define THREE(k) \
	TOKEN((k*8)(R8), (k*8+4)(R8), Z0, Z1, Z2, Z3)                   \
	TOKEN((k*8)(R8)(BX*1), (k*8+4)(R8)(BX*1), Z4, Z5, Z6, Z7)       \
	TOKEN((k*8)(R8)(BX*2), (k*8+4)(R8)(BX*2), Z8, Z9, Z10, Z11)

// WORDS brings the mantissas or offsets of 16 rows to Z28, those of the odd ones to Z29.
#define WORDS(off) \
	VMOVDQU32 (off)(SI), Z28 \
	VPSRLQ    $32, Z28, Z29

// JOIN8 and JOIN4 make H the dot products of a block: at most 2^28, for activations of 16 bits
// without sign.
#define JOIN8(H, L) \
	VPSLLD $8, H, H \
	VPADDD L, H, H

#define JOIN4(H, L) \
	VPSLLD $4, H, H \
	VPSRAD $4, L, L \
	VPADDD L, H, H

// SCALE adds mantissa times dot product to the rows and begins a new block.
#define SCALE(H, L, E, O) \
	VPSRLQ  $32, H, L   \
	VPMULDQ Z28, H, H   \
	VPMULDQ Z29, L, L   \
	VPADDQ  H, E, E     \
	VPADDQ  L, O, O     \
	VPXORD  H, H, H     \
	VPXORD  L, L, L

#define SCALE8(H, L, E, O) \
	JOIN8(H, L)       \
	SCALE(H, L, E, O)

#define SCALE4(H, L, E, O) \
	JOIN4(H, L)       \
	SCALE(H, L, E, O)

// OFFSET adds offset times sum of activations.
#define OFFSET(sum, E, O) \
	VPBROADCASTD sum, Z26      \
	VPMULDQ      Z28, Z26, Z27 \
	VPMULDQ      Z29, Z26, Z26 \
	VPADDQ       Z27, E, E     \
	VPADDQ       Z26, O, O

#define OFFSETS1 \
	WORDS(0)                \
	OFFSET((R10), Z12, Z13) \
	WORDS(64)               \
	OFFSET((R10), Z14, Z15) \
	ADDQ $128, SI           \
	ADDQ $4, R10

#define OFFSETS3 \
	WORDS(0)                        \
	OFFSET((R10), Z12, Z13)         \
	OFFSET((R10)(BX*1), Z16, Z17)   \
	OFFSET((R10)(BX*2), Z20, Z21)   \
	WORDS(64)                       \
	OFFSET((R10), Z14, Z15)         \
	OFFSET((R10)(BX*1), Z18, Z19)   \
	OFFSET((R10)(BX*2), Z22, Z23)   \
	ADDQ $128, SI                   \
	ADDQ $4, R10

// Rows 0 to 7, then 8 to 15, from the even ones and the odd ones.
DATA blockRows<>+0(SB)/8, $0
DATA blockRows<>+8(SB)/8, $8
DATA blockRows<>+16(SB)/8, $1
DATA blockRows<>+24(SB)/8, $9
DATA blockRows<>+32(SB)/8, $2
DATA blockRows<>+40(SB)/8, $10
DATA blockRows<>+48(SB)/8, $3
DATA blockRows<>+56(SB)/8, $11
DATA blockRows<>+64(SB)/8, $4
DATA blockRows<>+72(SB)/8, $12
DATA blockRows<>+80(SB)/8, $5
DATA blockRows<>+88(SB)/8, $13
DATA blockRows<>+96(SB)/8, $6
DATA blockRows<>+104(SB)/8, $14
DATA blockRows<>+112(SB)/8, $7
DATA blockRows<>+120(SB)/8, $15
GLOBL blockRows<>(SB), RODATA|NOPTR, $128

#define ORDER \
	VMOVDQU64 blockRows<>+0(SB), Z28 \
	VMOVDQU64 blockRows<>+64(SB), Z29

#define STORE(E, O, off) \
	VMOVDQA64 E, Z30         \
	VPERMT2Q  O, Z28, Z30    \
	VPERMT2Q  O, Z29, E      \
	VMOVDQU64 Z30, off(DI)   \
	VMOVDQU64 E, (off+64)(DI)

#define STORE1 \
	ORDER                   \
	STORE(Z12, Z13, 0)      \
	STORE(Z14, Z15, 128)    \
	VZEROUPPER

#define STORE3 \
	ORDER                   \
	STORE(Z12, Z13, 0)      \
	STORE(Z14, Z15, 128)    \
	STORE(Z16, Z17, 256)    \
	STORE(Z18, Z19, 384)    \
	STORE(Z20, Z21, 512)    \
	STORE(Z22, Z23, 640)    \
	VZEROUPPER

#define START1 \
	START(Z0, Z1, Z2, Z3, Z12, Z13, Z14, Z15)

#define START3 \
	START1                                     \
	START(Z4, Z5, Z6, Z7, Z16, Z17, Z18, Z19)  \
	START(Z8, Z9, Z10, Z11, Z20, Z21, Z22, Z23)

#define MASK \
	MOVL         $0xf0f0f0f0, AX \
	VPBROADCASTD AX, Z31

// func block1AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·block1AVX512(SB), NOSPLIT, $0-72
	ARGUMENTS
	START1

block:
	MOVQ R11, R12

columns:
	LOAD8(0)
	ONE(0)
	LOAD8(1)
	ONE(1)
	LOAD8(2)
	ONE(2)
	LOAD8(3)
	ONE(3)
	ADDQ $512, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	PREFETCHT1 1024(SI)
	PREFETCHT1 1088(SI)
	WORDS(0)
	SCALE8(Z0, Z1, Z12, Z13)
	WORDS(64)
	SCALE8(Z2, Z3, Z14, Z15)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS1

next:
	DECQ CX
	JNZ  block
	STORE1
	RET

// func block3AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·block3AVX512(SB), NOSPLIT, $0-72
	ARGUMENTS
	START3

block:
	MOVQ R11, R12

columns:
	LOAD8(0)
	THREE(0)
	LOAD8(1)
	THREE(1)
	LOAD8(2)
	THREE(2)
	LOAD8(3)
	THREE(3)
	ADDQ $512, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	PREFETCHT1 1024(SI)
	PREFETCHT1 1088(SI)
	WORDS(0)
	SCALE8(Z0, Z1, Z12, Z13)
	SCALE8(Z4, Z5, Z16, Z17)
	SCALE8(Z8, Z9, Z20, Z21)
	WORDS(64)
	SCALE8(Z2, Z3, Z14, Z15)
	SCALE8(Z6, Z7, Z18, Z19)
	SCALE8(Z10, Z11, Z22, Z23)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS3

next:
	DECQ CX
	JNZ  block
	STORE3
	RET

// func nibble1AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·nibble1AVX512(SB), NOSPLIT, $0-72
	ARGUMENTS
	MASK
	START1

block:
	MOVQ R11, R12

columns:
	LOAD4(0)
	ONE(0)
	LOAD4(1)
	ONE(1)
	LOAD4(2)
	ONE(2)
	LOAD4(3)
	ONE(3)
	ADDQ $256, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	PREFETCHT1 1024(SI)
	PREFETCHT1 1088(SI)
	WORDS(0)
	SCALE4(Z0, Z1, Z12, Z13)
	WORDS(64)
	SCALE4(Z2, Z3, Z14, Z15)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS1

next:
	DECQ CX
	JNZ  block
	STORE1
	RET

// func nibble3AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·nibble3AVX512(SB), NOSPLIT, $0-72
	ARGUMENTS
	MASK
	START3

block:
	MOVQ R11, R12

columns:
	LOAD4(0)
	THREE(0)
	LOAD4(1)
	THREE(1)
	LOAD4(2)
	THREE(2)
	LOAD4(3)
	THREE(3)
	ADDQ $256, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	PREFETCHT1 1024(SI)
	PREFETCHT1 1088(SI)
	WORDS(0)
	SCALE4(Z0, Z1, Z12, Z13)
	SCALE4(Z4, Z5, Z16, Z17)
	SCALE4(Z8, Z9, Z20, Z21)
	WORDS(64)
	SCALE4(Z2, Z3, Z14, Z15)
	SCALE4(Z6, Z7, Z18, Z19)
	SCALE4(Z10, Z11, Z22, Z23)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS3

next:
	DECQ CX
	JNZ  block
	STORE3
	RET
