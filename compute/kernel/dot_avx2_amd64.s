#include "textflag.h"

// Products of packed weights and int16 activations: 32 rows for one token, 16 rows (half a block)
// for two. A group of 4 columns is 128 bytes of weights and 8 bytes of each activation row. A lane holds
// two of the four products of a row: rows 0..3 in the first register, 4..7 in the second, ...

#define ADD(w, Y, off) \
	VPMOVSXBW off(SI), w   \
	VPMADDWD  Y12, w, w    \
	VPADDD    w, Y, Y

#define ADD2(off, A, B) \
	VPMOVSXBW off(SI), Y8  \
	VPMADDWD  Y12, Y8, Y9  \
	VPMADDWD  Y13, Y8, Y10 \
	VPADDD    Y9, A, A     \
	VPADDD    Y10, B, B

// EMPTY adds the 4 rows of A to off(DI); Y15 is 1 in each lane of 64 bits.
#define EMPTY(A, off) \
	VPSRLQ   $32, A, Y8    \
	VPMULDQ  Y15, A, A     \
	VPMULDQ  Y15, Y8, Y8   \
	VPADDQ   Y8, A, A      \
	VPADDQ   off(DI), A, A \
	VMOVDQU  A, off(DI)

#define ONES \
	VPCMPEQD Y15, Y15, Y15 \
	VPSRLQ   $63, Y15, Y15

// func dot1AVX2(dst *int64, w *int8, x *int16, groups int)
TEXT ·dot1AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ groups+24(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7

one:
	PREFETCHT0 2048(SI)
	PREFETCHT0 2112(SI)
	VPBROADCASTQ (R8), Y12
	ADD(Y8, Y0, 0)
	ADD(Y9, Y1, 16)
	ADD(Y10, Y2, 32)
	ADD(Y11, Y3, 48)
	ADD(Y8, Y4, 64)
	ADD(Y9, Y5, 80)
	ADD(Y10, Y6, 96)
	ADD(Y11, Y7, 112)
	ADDQ $128, SI
	ADDQ $8, R8
	DECQ CX
	JNZ  one
	ONES
	EMPTY(Y0, 0)
	EMPTY(Y1, 32)
	EMPTY(Y2, 64)
	EMPTY(Y3, 96)
	EMPTY(Y4, 128)
	EMPTY(Y5, 160)
	EMPTY(Y6, 192)
	EMPTY(Y7, 224)
	VZEROUPPER
	RET

// func dot2AVX2(dst *int64, w *int8, x *int16, stride, groups int)
TEXT ·dot2AVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ stride+24(FP), BX
	MOVQ groups+32(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7

two:
	PREFETCHT0 2048(SI)
	VPBROADCASTQ (R8), Y12
	VPBROADCASTQ (R8)(BX*1), Y13
	ADD2(0, Y0, Y4)
	ADD2(16, Y1, Y5)
	ADD2(32, Y2, Y6)
	ADD2(48, Y3, Y7)
	ADDQ $128, SI
	ADDQ $8, R8
	DECQ CX
	JNZ  two
	ONES
	EMPTY(Y0, 0)
	EMPTY(Y1, 32)
	EMPTY(Y2, 64)
	EMPTY(Y3, 96)
	EMPTY(Y4, 256)
	EMPTY(Y5, 288)
	EMPTY(Y6, 320)
	EMPTY(Y7, 352)
	VZEROUPPER
	RET
