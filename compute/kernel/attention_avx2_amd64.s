#include "textflag.h"

// Kernels of attention and of reductions in AVX2. Both sets of this processor family use them.

// The least sum of two products of int16 is -2^31 + 2^16, the greatest 2^31: with this offset, it is
// an unsigned int32.
DATA pairOffset<>+0(SB)/4, $0x7FFF0000
GLOBL pairOffset<>(SB), RODATA|NOPTR, $4

// SCORE adds the products of one position, 16 of them, to 4 lanes of int64.
#define SCORE(k, A) \
	VPMADDWD k, Y8, Y10     \
	VPADDD   Y9, Y10, Y10   \
	VPSRLQ   $32, Y10, Y11  \
	VPBLENDD $0xAA, Y12, Y10, Y10 \
	VPADDQ   Y11, A, A      \
	VPADDQ   Y10, A, A

// func scoreAVX2(dst *int64, q, k *int16, stride, blocks, quads int)
// dst[j] = q . k[j] + 8 * blocks * (2^31 - 2^16) for 4 * quads positions, stride bytes apart.
TEXT ·scoreAVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ k+16(FP), R8
	MOVQ stride+24(FP), BX
	MOVQ blocks+32(FP), DX
	MOVQ quads+40(FP), CX
	VPBROADCASTD pairOffset<>(SB), Y9
	VPXOR Y12, Y12, Y12

quad:
	MOVQ  SI, R9
	MOVQ  R8, R10
	LEAQ  (R8)(BX*2), R11
	MOVQ  DX, R12
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3

dims:
	VMOVDQU (R9), Y8
	SCORE((R10), Y0)
	SCORE((R10)(BX*1), Y1)
	SCORE((R11), Y2)
	SCORE((R11)(BX*1), Y3)
	ADDQ $32, R9
	ADDQ $32, R10
	ADDQ $32, R11
	DECQ R12
	JNZ  dims
	VPUNPCKLQDQ Y1, Y0, Y4
	VPUNPCKHQDQ Y1, Y0, Y5
	VPADDQ      Y5, Y4, Y4
	VPUNPCKLQDQ Y3, Y2, Y6
	VPUNPCKHQDQ Y3, Y2, Y7
	VPADDQ      Y7, Y6, Y6
	VPERM2I128  $0x20, Y6, Y4, Y0
	VPERM2I128  $0x31, Y6, Y4, Y1
	VPADDQ      Y1, Y0, Y0
	VMOVDQU     Y0, (DI)
	ADDQ        $32, DI
	LEAQ        (R8)(BX*4), R8
	DECQ        CX
	JNZ         quad
	VZEROUPPER
	RET

// func digitsAVX2(dst *int64, p *int32, n int)
// For each pair of the 8 * n weights of positions, three digits of 9 bits: at dst, dst + 64 and
// dst + 128, the low half word the digit of the first.
TEXT ·digitsAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	VPCMPEQD Y5, Y5, Y5
	VPSRLD   $23, Y5, Y5

digits:
	VMOVDQU (SI), Y0
	VPSRLD  $9, Y0, Y1
	VPSRLD  $18, Y0, Y2
	VPAND   Y5, Y0, Y0
	VPAND   Y5, Y1, Y1
	VPAND   Y5, Y2, Y2
	VPSRLQ  $16, Y0, Y3
	VPOR    Y3, Y0, Y0
	VPSRLQ  $16, Y1, Y3
	VPOR    Y3, Y1, Y1
	VPSRLQ  $16, Y2, Y3
	VPOR    Y3, Y2, Y2
	VMOVDQU Y0, (DI)
	VMOVDQU Y1, 512(DI)
	VMOVDQU Y2, 1024(DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	DECQ    CX
	JNZ     digits
	VZEROUPPER
	RET

// MIX adds two positions, in Y6 (dims 0..3, 8..11) and Y7 (4..7, 12..15), times a digit of each.
#define MIX(d, A, B) \
	VPBROADCASTD d, Y8      \
	VPMADDWD     Y8, Y6, Y9 \
	VPMADDWD     Y8, Y7, Y10 \
	VPADDD       Y9, A, A   \
	VPADDD       Y10, B, B

// JOIN4 writes 4 dims, 2^18 C + 2^9 B + A.
#define JOIN4(XA, XB, XC, off) \
	VPMOVSXDQ XA, Y9        \
	VPMOVSXDQ XB, Y10       \
	VPMOVSXDQ XC, Y11       \
	VPSLLQ    $9, Y10, Y10  \
	VPSLLQ    $18, Y11, Y11 \
	VPADDQ    Y10, Y9, Y9   \
	VPADDQ    Y11, Y9, Y9   \
	VMOVDQU   Y9, off(DI)

// func mixAVX2(dst *int64, digits *int64, v *int16, stride, pairs int)
// dst[i] = sum over 2 * pairs positions of weight * v[position][i] for 16 dims, at most 64 pairs:
// each lane adds 128 products below 2^9 * 2^15, less than 2^31.
TEXT ·mixAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ digits+8(FP), SI
	MOVQ v+16(FP), R8
	MOVQ stride+24(FP), BX
	MOVQ pairs+32(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5

mix:
	VMOVDQU    (R8), Y11
	VMOVDQU    (R8)(BX*1), Y12
	VPUNPCKLWD Y12, Y11, Y6
	VPUNPCKHWD Y12, Y11, Y7
	MIX((SI), Y0, Y1)
	MIX(512(SI), Y2, Y3)
	MIX(1024(SI), Y4, Y5)
	ADDQ $8, SI
	LEAQ (R8)(BX*2), R8
	DECQ CX
	JNZ  mix
	JOIN4(X0, X2, X4, 0)
	JOIN4(X1, X3, X5, 32)
	VEXTRACTI128 $1, Y0, X0
	VEXTRACTI128 $1, Y1, X1
	VEXTRACTI128 $1, Y2, X2
	VEXTRACTI128 $1, Y3, X3
	VEXTRACTI128 $1, Y4, X4
	VEXTRACTI128 $1, Y5, X5
	JOIN4(X0, X2, X4, 64)
	JOIN4(X1, X3, X5, 96)
	VZEROUPPER
	RET

// func exp2AVX2(dst, x *int32, table *int32, low, top int32, s, n int)
// 8 * n elements: exp2(x - top) with the shift s = 30 - q in 0..30; table is 256 values, then 256
// differences; x is clamped to low..top, top - low at most 2^23.
TEXT ·exp2AVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ table+16(FP), R8
	MOVQ n+40(FP), CX
	MOVL low+24(FP), AX
	VMOVD AX, X15
	VPBROADCASTD X15, Y15
	MOVL top+28(FP), AX
	VMOVD AX, X14
	VPBROADCASTD X14, Y14
	MOVQ s+32(FP), AX
	VMOVD AX, X13
	VPBROADCASTD X13, Y13
	VPCMPEQD Y12, Y12, Y12
	VPSRLD   $31, Y12, Y11
	VPSRLD   $24, Y12, Y10
	VPSLLD   $7, Y11, Y9

exp2:
	VMOVDQU    (SI), Y0
	VPMAXSD    Y15, Y0, Y0
	VPMINSD    Y14, Y0, Y0
	VPSUBD     Y14, Y0, Y0
	VPSRAD     $16, Y0, Y1
	VPSUBD     Y1, Y13, Y1
	VPAND      Y10, Y0, Y2
	VPSRLD     $8, Y0, Y3
	VPAND      Y10, Y3, Y3
	VMOVDQA    Y12, Y4
	VPGATHERDD Y4, (R8)(Y3*4), Y5
	VMOVDQA    Y12, Y4
	VPGATHERDD Y4, 1024(R8)(Y3*4), Y6
	VPMULLD    Y2, Y6, Y6
	VPADDD     Y9, Y6, Y6
	VPSRLD     $8, Y6, Y6
	VPADDD     Y6, Y5, Y5
	VPSUBD     Y11, Y1, Y7
	VPSLLVD    Y7, Y11, Y7
	VPADDD     Y7, Y5, Y5
	VPSRLVD    Y1, Y5, Y5
	VMOVDQU    Y5, (DI)
	ADDQ       $32, SI
	ADDQ       $32, DI
	DECQ       CX
	JNZ        exp2
	VZEROUPPER
	RET

// func maxAbsAVX2(x *int32, n int) uint32
// The largest magnitude of 8 * n elements.
TEXT ·maxAbsAVX2(SB), NOSPLIT, $0-20
	MOVQ  x+0(FP), SI
	MOVQ  n+8(FP), CX
	VPXOR Y0, Y0, Y0

maxabs:
	VPABSD  (SI), Y1
	VPMAXUD Y1, Y0, Y0
	ADDQ    $32, SI
	DECQ    CX
	JNZ     maxabs
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD X1, X0, X0
	VPSHUFD $0x4E, X0, X1
	VPMAXUD X1, X0, X0
	VPSHUFD $0xB1, X0, X1
	VPMAXUD X1, X0, X0
	VMOVD   X0, AX
	MOVL    AX, ret+16(FP)
	VZEROUPPER
	RET

// func maxAVX2(x *int32, n int) int32
// The greatest of 8 * n elements.
TEXT ·maxAVX2(SB), NOSPLIT, $0-20
	MOVQ    x+0(FP), SI
	MOVQ    n+8(FP), CX
	VMOVDQU (SI), Y0

greatest:
	VPMAXSD (SI), Y0, Y0
	ADDQ    $32, SI
	DECQ    CX
	JNZ     greatest
	VEXTRACTI128 $1, Y0, X1
	VPMAXSD X1, X0, X0
	VPSHUFD $0x4E, X0, X1
	VPMAXSD X1, X0, X0
	VPSHUFD $0xB1, X0, X1
	VPMAXSD X1, X0, X0
	VMOVD   X0, AX
	MOVL    AX, ret+16(FP)
	VZEROUPPER
	RET

// TOTAL leaves the sum of 4 lanes of Y0 in AX.
#define TOTAL \
	VEXTRACTI128 $1, Y0, X1 \
	VPADDQ  X1, X0, X0      \
	VPSHUFD $0x4E, X0, X1   \
	VPADDQ  X1, X0, X0      \
	VMOVQ   X0, AX

// func sumAVX2(x *int32, n int) int64
// The sum of 8 * n elements.
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ  x+0(FP), SI
	MOVQ  n+8(FP), CX
	VPXOR Y0, Y0, Y0

sum:
	VPMOVSXDQ (SI), Y1
	VPMOVSXDQ 16(SI), Y2
	VPADDQ    Y1, Y0, Y0
	VPADDQ    Y2, Y0, Y0
	ADDQ      $32, SI
	DECQ      CX
	JNZ       sum
	TOTAL
	MOVQ AX, ret+16(FP)
	VZEROUPPER
	RET

// func squaresAVX2(x *int32, s, n int) int64
// The sum of the squares of x >> s over 8 * n elements, each below 2^25 in magnitude.
TEXT ·squaresAVX2(SB), NOSPLIT, $0-32
	MOVQ  x+0(FP), SI
	MOVQ  s+8(FP), AX
	MOVQ  n+16(FP), CX
	VMOVQ AX, X3
	VPXOR Y0, Y0, Y0

squares:
	VMOVDQU (SI), Y1
	VPSRAD  X3, Y1, Y1
	VPSRLQ  $32, Y1, Y2
	VPMULDQ Y1, Y1, Y1
	VPMULDQ Y2, Y2, Y2
	VPADDQ  Y1, Y0, Y0
	VPADDQ  Y2, Y0, Y0
	ADDQ    $32, SI
	DECQ    CX
	JNZ     squares
	TOTAL
	MOVQ AX, ret+24(FP)
	VZEROUPPER
	RET
