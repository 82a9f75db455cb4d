#include "textflag.h"

// Products of packed block-scaled weights and int16 activations: 32 rows and one token, 16 rows and two. A lane
// of 32 bits holds two of the four products of a row: rows 0..3 in the first register, 4..7 in the
// second, ... Row sums are added to memory at the end of each block.
//
//	DI dst, SI weights, R8 activations, BX their stride, R10 sums of blocks of activations,
//	CX blocks, R11 times of 16 columns in a block, R12 those left, R13 whether there are offsets,
//	DX 0 for all rows or the first 16 of a block, 64 for the others

#define ARGUMENTS \
	MOVQ dst+0(FP), DI       \
	MOVQ w+8(FP), SI         \
	MOVQ half+16(FP), DX     \
	MOVQ x+24(FP), R8        \
	MOVQ sums+32(FP), R10    \
	MOVQ stride+40(FP), BX   \
	MOVQ blocks+48(FP), CX   \
	MOVQ parts+56(FP), R11   \
	MOVQ offsets+64(FP), R13

#define CLEAR(A, B, C, D) \
	VPXOR A, A, A \
	VPXOR B, B, B \
	VPXOR C, C, C \
	VPXOR D, D, D

// LOAD8 and LOAD4 widen 4 columns of 4 rows to 16 bits; codes of 4 bits become 16 times as large.
// X14 holds the upper halves of bytes, X15 how far the codes of these rows are from there.
#define LOAD8(off) \
	VPMOVSXBW (off)(SI)(DX*1), Y8

#define LOAD4(off) \
	VMOVDQU   (off)(SI), X8 \
	VPSLLW    X15, X8, X8   \
	VPAND     X14, X8, X8   \
	VPMOVSXBW X8, Y8

#define ONE(A) \
	VPMADDWD Y12, Y8, Y8 \
	VPADDD   Y8, A, A

#define TWO(A, B) \
	VPMADDWD Y12, Y8, Y9  \
	VPMADDWD Y13, Y8, Y10 \
	VPADDD   Y9, A, A     \
	VPADDD   Y10, B, B

// ALL8 and ALL4 are 4 columns of all 32 rows for one token.
#define ALL8(k) \
	PREFETCHT0   (2048+k*128)(SI) \
	PREFETCHT0   (2112+k*128)(SI) \
	VPBROADCASTQ (k*8)(R8), Y12   \
	LOAD8(k*128)                  \
	ONE(Y0)                       \
	LOAD8(k*128+16)               \
	ONE(Y1)                       \
	LOAD8(k*128+32)               \
	ONE(Y2)                       \
	LOAD8(k*128+48)               \
	ONE(Y3)                       \
	LOAD8(k*128+64)               \
	ONE(Y4)                       \
	LOAD8(k*128+80)               \
	ONE(Y5)                       \
	LOAD8(k*128+96)               \
	ONE(Y6)                       \
	LOAD8(k*128+112)              \
	ONE(Y7)

#define BOTH4(off, A, B) \
	VMOVDQU   (off)(SI), X9 \
	VPSLLW    $4, X9, X8    \
	VPAND     X14, X8, X8   \
	VPAND     X14, X9, X9   \
	VPMOVSXBW X8, Y8        \
	VPMOVSXBW X9, Y9        \
	VPMADDWD  Y12, Y8, Y8   \
	VPMADDWD  Y12, Y9, Y9   \
	VPADDD    Y8, A, A      \
	VPADDD    Y9, B, B

#define ALL4(k) \
	PREFETCHT0   (2048+k*64)(SI) \
	VPBROADCASTQ (k*8)(R8), Y12  \
	BOTH4(k*64, Y0, Y4)          \
	BOTH4(k*64+16, Y1, Y5)       \
	BOTH4(k*64+32, Y2, Y6)       \
	BOTH4(k*64+48, Y3, Y7)

#define GROUP2(LOAD, w, k) \
	VPBROADCASTQ (k*8)(R8), Y12       \
	VPBROADCASTQ (k*8)(R8)(BX*1), Y13 \
	LOAD(k*w)                         \
	TWO(Y0, Y4)                       \
	LOAD(k*w+16)                      \
	TWO(Y1, Y5)                       \
	LOAD(k*w+32)                      \
	TWO(Y2, Y6)                       \
	LOAD(k*w+48)                      \
	TWO(Y3, Y7)

// JOIN leaves the dot products of 4 rows and a block in the even lanes.
#define JOIN(A) \
	VPSRLQ $32, A, Y8 \
	VPADDD Y8, A, A

#define JOIN4(A) \
	JOIN(A)         \
	VPSRAD $4, A, A

// SCALE adds mantissa times dot product to 4 rows of a token and begins a new block.
#define SCALE(A, row, out) \
	VPMOVSXDQ ((row)*4)(SI)(DX*1), Y8 \
	VPMULDQ   Y8, A, A              \
	VPADDQ    (out)(DI), A, A       \
	VMOVDQU   A, (out)(DI)          \
	VPXOR     A, A, A

#define SCALES(A, B, C, D, row, out) \
	SCALE(A, row, out)        \
	SCALE(B, row+4, out+32)   \
	SCALE(C, row+8, out+64)   \
	SCALE(D, row+12, out+96)

// OFFSET adds offset times sum of activations, which is in Y11, to 4 rows of a token.
#define OFFSET(row, out) \
	VPMOVSXDQ ((row)*4)(SI)(DX*1), Y8 \
	VPMULDQ   Y11, Y8, Y8           \
	VPADDQ    (out)(DI), Y8, Y8     \
	VMOVDQU   Y8, (out)(DI)

#define OFFSETS(sum, row, out) \
	VPBROADCASTD sum, Y11   \
	OFFSET(row, out)        \
	OFFSET(row+4, out+32)   \
	OFFSET(row+8, out+64)   \
	OFFSET(row+12, out+96)

#define MASK \
	MOVL         $0xf0f0f0f0, AX \
	VMOVD        AX, X14         \
	VPBROADCASTD X14, X14        \
	MOVQ         DX, AX          \
	SHRQ         $4, AX          \
	NEGQ         AX              \
	ADDQ         $4, AX          \
	VMOVQ        AX, X15

// func block1AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·block1AVX2(SB), NOSPLIT, $0-72
	ARGUMENTS
	CLEAR(Y0, Y1, Y2, Y3)
	CLEAR(Y4, Y5, Y6, Y7)

block:
	MOVQ R11, R12

columns:
	ALL8(0)
	ALL8(1)
	ALL8(2)
	ALL8(3)
	ADDQ $512, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	JOIN(Y0)
	JOIN(Y1)
	JOIN(Y2)
	JOIN(Y3)
	JOIN(Y4)
	JOIN(Y5)
	JOIN(Y6)
	JOIN(Y7)
	SCALES(Y0, Y1, Y2, Y3, 0, 0)
	SCALES(Y4, Y5, Y6, Y7, 16, 128)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS((R10), 0, 0)
	OFFSETS((R10), 16, 128)
	ADDQ  $128, SI
	ADDQ  $4, R10

next:
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// func block2AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·block2AVX2(SB), NOSPLIT, $0-72
	ARGUMENTS
	CLEAR(Y0, Y1, Y2, Y3)
	CLEAR(Y4, Y5, Y6, Y7)

block:
	MOVQ R11, R12

columns:
	GROUP2(LOAD8, 128, 0)
	GROUP2(LOAD8, 128, 1)
	GROUP2(LOAD8, 128, 2)
	GROUP2(LOAD8, 128, 3)
	ADDQ $512, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	JOIN(Y0)
	JOIN(Y1)
	JOIN(Y2)
	JOIN(Y3)
	JOIN(Y4)
	JOIN(Y5)
	JOIN(Y6)
	JOIN(Y7)
	SCALES(Y0, Y1, Y2, Y3, 0, 0)
	SCALES(Y4, Y5, Y6, Y7, 0, 256)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS((R10), 0, 0)
	OFFSETS((R10)(BX*1), 0, 256)
	ADDQ  $128, SI
	ADDQ  $4, R10

next:
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// func nibble1AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·nibble1AVX2(SB), NOSPLIT, $0-72
	ARGUMENTS
	MASK
	CLEAR(Y0, Y1, Y2, Y3)
	CLEAR(Y4, Y5, Y6, Y7)

block:
	MOVQ R11, R12

columns:
	ALL4(0)
	ALL4(1)
	ALL4(2)
	ALL4(3)
	ADDQ $256, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	JOIN4(Y0)
	JOIN4(Y1)
	JOIN4(Y2)
	JOIN4(Y3)
	JOIN4(Y4)
	JOIN4(Y5)
	JOIN4(Y6)
	JOIN4(Y7)
	SCALES(Y0, Y1, Y2, Y3, 0, 0)
	SCALES(Y4, Y5, Y6, Y7, 16, 128)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS((R10), 0, 0)
	OFFSETS((R10), 16, 128)
	ADDQ  $128, SI
	ADDQ  $4, R10

next:
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// func nibble2AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)
TEXT ·nibble2AVX2(SB), NOSPLIT, $0-72
	ARGUMENTS
	MASK
	CLEAR(Y0, Y1, Y2, Y3)
	CLEAR(Y4, Y5, Y6, Y7)

block:
	MOVQ R11, R12

columns:
	GROUP2(LOAD4, 64, 0)
	GROUP2(LOAD4, 64, 1)
	GROUP2(LOAD4, 64, 2)
	GROUP2(LOAD4, 64, 3)
	ADDQ $256, SI
	ADDQ $32, R8
	DECQ R12
	JNZ  columns
	JOIN4(Y0)
	JOIN4(Y1)
	JOIN4(Y2)
	JOIN4(Y3)
	JOIN4(Y4)
	JOIN4(Y5)
	JOIN4(Y6)
	JOIN4(Y7)
	SCALES(Y0, Y1, Y2, Y3, 0, 0)
	SCALES(Y4, Y5, Y6, Y7, 0, 256)
	ADDQ  $128, SI
	TESTQ R13, R13
	JZ    next
	OFFSETS((R10), 0, 0)
	OFFSETS((R10)(BX*1), 0, 256)
	ADDQ  $128, SI
	ADDQ  $4, R10

next:
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET
