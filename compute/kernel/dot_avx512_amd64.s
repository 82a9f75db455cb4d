#include "textflag.h"

// Products of packed weights and widened activations. A block is 32 rows; a group, 4 columns, is
// 128 bytes of weights (Z24 rows 0..15, Z25 rows 16..31) and 8 bytes of each activation row: 4 high
// bytes, 4 low bytes. Each token has four sums: H0 L0 H1 L1, 16 lanes of int32.

#define TOKEN(high, low, H0, L0, H1, L1) \
	VPBROADCASTD high, Z26      \
	VPBROADCASTD low, Z27       \
	VPDPBUSD     Z24, Z26, H0   \
	VPDPBUSD     Z24, Z27, L0   \
	VPDPBUSD     Z25, Z26, H1   \
	VPDPBUSD     Z25, Z27, L1

#define ZERO4(A, B, C, D) \
	VPXORD A, A, A \
	VPXORD B, B, B \
	VPXORD C, C, C \
	VPXORD D, D, D

// CORRECTIONS loads 2^15 times the sum of the weights of each row, as int64: Z28..Z31.
#define CORRECTIONS(ptr) \
	VPMOVSXDQ 0(ptr), Z28  \
	VPMOVSXDQ 32(ptr), Z29 \
	VPMOVSXDQ 64(ptr), Z30 \
	VPMOVSXDQ 96(ptr), Z31 \
	VPSLLQ    $15, Z28, Z28 \
	VPSLLQ    $15, Z29, Z29 \
	VPSLLQ    $15, Z30, Z30 \
	VPSLLQ    $15, Z31, Z31

// JOIN writes 16 sums 256*H + L - C at off(DI).
#define JOIN(ZH, YH, ZL, YL, C0, C1, off) \
	VPMOVSXDQ      YH, Z24          \
	VPMOVSXDQ      YL, Z25          \
	VPSLLQ         $8, Z24, Z24     \
	VPADDQ         Z25, Z24, Z24    \
	VPSUBQ         C0, Z24, Z24     \
	VMOVDQU64      Z24, off(DI)     \
	VEXTRACTI64X4  $1, ZH, Y26      \
	VEXTRACTI64X4  $1, ZL, Y27      \
	VPMOVSXDQ      Y26, Z24         \
	VPMOVSXDQ      Y27, Z25         \
	VPSLLQ         $8, Z24, Z24     \
	VPADDQ         Z25, Z24, Z24    \
	VPSUBQ         C1, Z24, Z24     \
	VMOVDQU64      Z24, (off+64)(DI)

// GROUP1 is one group for one token, with sums of its own so that four run at once.
#define GROUP1(w0, w1, high, low, H0, L0, H1, L1) \
	VPBROADCASTD high, Z26     \
	VPBROADCASTD low, Z27      \
	VMOVDQU32    w0, Z24       \
	VMOVDQU32    w1, Z25       \
	VPDPBUSD     Z24, Z26, H0  \
	VPDPBUSD     Z24, Z27, L0  \
	VPDPBUSD     Z25, Z26, H1  \
	VPDPBUSD     Z25, Z27, L1

// WHOLE leaves 8 rows rs(sum * mant, exp - s) of a token in Z: mantissas in M, exponents in E. Z9 is s, Z8 is 1.
#define WHOLE(off, M, E, Z, H) \
	VPSUBQ    Z9, E, H             \
	VMOVDQU64 off(SI), Z           \
	VPMULLQ   M, Z, Z              \
	VPSUBQ    Z8, H, Z7            \
	VPSLLVQ   Z7, Z8, Z7           \
	VPADDQ    Z7, Z, Z             \
	VPSRAVQ   H, Z, Z

#define WHOLES \
	VPBROADCASTQ (DX), Z9          \
	WHOLE(0, Z16, Z20, Z0, Z4)     \
	WHOLE(64, Z17, Z21, Z1, Z5)    \
	WHOLE(128, Z18, Z22, Z2, Z4)   \
	WHOLE(192, Z19, Z23, Z3, Z5)   \
	MOVQ (DI), BX                  \
	ADDQ $8, DI                    \
	ADDQ $8, DX                    \
	ADDQ $256, SI

#define SCALES \
	MOVQ dst+0(FP), DI             \
	MOVQ sum+8(FP), SI             \
	MOVQ mant+16(FP), R8           \
	MOVQ exp+24(FP), R9            \
	MOVQ shift+32(FP), DX          \
	MOVQ m+40(FP), CX              \
	MOVQ $1, AX                    \
	VPBROADCASTQ AX, Z8            \
	VPMOVSXDQ (R8), Z16            \
	VPMOVSXDQ 32(R8), Z17          \
	VPMOVSXDQ 64(R8), Z18          \
	VPMOVSXDQ 96(R8), Z19          \
	VPMOVSXDQ (R9), Z20            \
	VPMOVSXDQ 32(R9), Z21          \
	VPMOVSXDQ 64(R9), Z22          \
	VPMOVSXDQ 96(R9), Z23

// func dot1AVX512(dst *int64, w *int8, x *int16, groups int, sum *int32)
TEXT ·dot1AVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ groups+24(FP), CX
	MOVQ sum+32(FP), DX
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)

	// Columns are padded to 16: groups is a multiple of 4.
loop1:
	PREFETCHT1 1024(SI)
	PREFETCHT1 1088(SI)
	PREFETCHT1 1152(SI)
	PREFETCHT1 1216(SI)
	PREFETCHT1 1280(SI)
	PREFETCHT1 1344(SI)
	PREFETCHT1 1408(SI)
	PREFETCHT1 1472(SI)
	GROUP1((SI), 64(SI), (R8), 4(R8), Z0, Z1, Z2, Z3)
	GROUP1(128(SI), 192(SI), 8(R8), 12(R8), Z4, Z5, Z6, Z7)
	GROUP1(256(SI), 320(SI), 16(R8), 20(R8), Z0, Z1, Z2, Z3)
	GROUP1(384(SI), 448(SI), 24(R8), 28(R8), Z4, Z5, Z6, Z7)
	ADDQ $512, SI
	ADDQ $32, R8
	SUBQ $4, CX
	JNZ  loop1
	VPADDD Z4, Z0, Z0
	VPADDD Z5, Z1, Z1
	VPADDD Z6, Z2, Z2
	VPADDD Z7, Z3, Z3
	CORRECTIONS(DX)
	JOIN(Z0, Y0, Z1, Y1, Z28, Z29, 0)
	JOIN(Z2, Y2, Z3, Y3, Z30, Z31, 128)
	VZEROUPPER
	RET

// func dot2AVX512(dst *int64, w *int8, x *int16, stride, groups int, sum *int32)
TEXT ·dot2AVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ stride+24(FP), BX
	MOVQ groups+32(FP), CX
	MOVQ sum+40(FP), DX
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)

loop2:
	PREFETCHT1 4096(SI)
	PREFETCHT1 4160(SI)
	VMOVDQU32 (SI), Z24
	VMOVDQU32 64(SI), Z25
	TOKEN((R8), 4(R8), Z0, Z1, Z2, Z3)
	TOKEN((R8)(BX*1), 4(R8)(BX*1), Z4, Z5, Z6, Z7)
	ADDQ $128, SI
	ADDQ $8, R8
	DECQ CX
	JNZ  loop2
	CORRECTIONS(DX)
	JOIN(Z0, Y0, Z1, Y1, Z28, Z29, 0)
	JOIN(Z2, Y2, Z3, Y3, Z30, Z31, 128)
	JOIN(Z4, Y4, Z5, Y5, Z28, Z29, 256)
	JOIN(Z6, Y6, Z7, Y7, Z30, Z31, 384)
	VZEROUPPER
	RET

// func dot4AVX512(dst *int64, w *int8, x *int16, stride, groups int, sum *int32)
TEXT ·dot4AVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ stride+24(FP), BX
	MOVQ groups+32(FP), CX
	MOVQ sum+40(FP), DX
	LEAQ (R8)(BX*2), R9
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)

loop4:
	PREFETCHT1 4096(SI)
	PREFETCHT1 4160(SI)
	VMOVDQU32 (SI), Z24
	VMOVDQU32 64(SI), Z25
	TOKEN((R8), 4(R8), Z0, Z1, Z2, Z3)
	TOKEN((R8)(BX*1), 4(R8)(BX*1), Z4, Z5, Z6, Z7)
	TOKEN((R9), 4(R9), Z8, Z9, Z10, Z11)
	TOKEN((R9)(BX*1), 4(R9)(BX*1), Z12, Z13, Z14, Z15)
	ADDQ $128, SI
	ADDQ $8, R8
	ADDQ $8, R9
	DECQ CX
	JNZ  loop4
	CORRECTIONS(DX)
	JOIN(Z0, Y0, Z1, Y1, Z28, Z29, 0)
	JOIN(Z2, Y2, Z3, Y3, Z30, Z31, 128)
	JOIN(Z4, Y4, Z5, Y5, Z28, Z29, 256)
	JOIN(Z6, Y6, Z7, Y7, Z30, Z31, 384)
	JOIN(Z8, Y8, Z9, Y9, Z28, Z29, 512)
	JOIN(Z10, Y10, Z11, Y11, Z30, Z31, 640)
	JOIN(Z12, Y12, Z13, Y13, Z28, Z29, 768)
	JOIN(Z14, Y14, Z15, Y15, Z30, Z31, 896)
	VZEROUPPER
	RET

// func dot6AVX512(dst *int64, w *int8, x *int16, stride, groups int, sum *int32)
TEXT ·dot6AVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ stride+24(FP), BX
	MOVQ groups+32(FP), CX
	MOVQ sum+40(FP), DX
	LEAQ (R8)(BX*2), R9
	ADDQ BX, R9
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)
	ZERO4(Z16, Z17, Z18, Z19)
	ZERO4(Z20, Z21, Z22, Z23)

loop6:
	PREFETCHT1 4096(SI)
	PREFETCHT1 4160(SI)
	VMOVDQU32 (SI), Z24
	VMOVDQU32 64(SI), Z25
	TOKEN((R8), 4(R8), Z0, Z1, Z2, Z3)
	TOKEN((R8)(BX*1), 4(R8)(BX*1), Z4, Z5, Z6, Z7)
	TOKEN((R8)(BX*2), 4(R8)(BX*2), Z8, Z9, Z10, Z11)
	TOKEN((R9), 4(R9), Z12, Z13, Z14, Z15)
	TOKEN((R9)(BX*1), 4(R9)(BX*1), Z16, Z17, Z18, Z19)
	TOKEN((R9)(BX*2), 4(R9)(BX*2), Z20, Z21, Z22, Z23)
	ADDQ $128, SI
	ADDQ $8, R8
	ADDQ $8, R9
	DECQ CX
	JNZ  loop6
	CORRECTIONS(DX)
	JOIN(Z0, Y0, Z1, Y1, Z28, Z29, 0)
	JOIN(Z2, Y2, Z3, Y3, Z30, Z31, 128)
	JOIN(Z4, Y4, Z5, Y5, Z28, Z29, 256)
	JOIN(Z6, Y6, Z7, Y7, Z30, Z31, 384)
	JOIN(Z8, Y8, Z9, Y9, Z28, Z29, 512)
	JOIN(Z10, Y10, Z11, Y11, Z30, Z31, 640)
	JOIN(Z12, Y12, Z13, Y13, Z28, Z29, 768)
	JOIN(Z14, Y14, Z15, Y15, Z30, Z31, 896)
	JOIN(Z16, Y16, Z17, Y17, Z28, Z29, 1024)
	JOIN(Z18, Y18, Z19, Y19, Z30, Z31, 1152)
	JOIN(Z20, Y20, Z21, Y21, Z28, Z29, 1280)
	JOIN(Z22, Y22, Z23, Y23, Z30, Z31, 1408)
	VZEROUPPER
	RET

// Bytes 1 3 5 7 0 2 4 6 of each 8: the high bytes of 4 words, then the low ones.
DATA widenOrder<>+0(SB)/8, $0x0604020007050301
DATA widenOrder<>+8(SB)/8, $0x0e0c0a080f0d0b09
GLOBL widenOrder<>(SB), RODATA|NOPTR, $16

// The offset 2^15 flips the top bit of each high byte.
DATA widenOffset<>+0(SB)/8, $0x0000000080808080
GLOBL widenOffset<>(SB), RODATA|NOPTR, $8

// func widen32AVX512(dst, x *int16, n int)
TEXT ·widen32AVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTI32X4 widenOrder<>(SB), Z1
	VPBROADCASTQ widenOffset<>(SB), Z2

widen:
	VMOVDQU64 (SI), Z0
	VPSHUFB   Z1, Z0, Z0
	VPXORQ    Z2, Z0, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ      $64, SI
	ADDQ      $64, DI
	DECQ      CX
	JNZ       widen
	VZEROUPPER
	RET

// ROWS leaves 8 rows rs(sum * mant, exp - s) in Z0; shifts are 1..62. Z9 is s, Z8 is 1.
#define ROWS \
	VMOVDQU64 (SI), Z0       \
	VPMOVSXDQ (R8), Z1       \
	VPMOVSXDQ (R9), Z2       \
	VPMULLQ   Z1, Z0, Z0     \
	VPSUBQ    Z9, Z2, Z2     \
	VPSUBQ    Z8, Z2, Z3     \
	VPSLLVQ   Z3, Z8, Z4     \
	VPADDQ    Z4, Z0, Z0     \
	VPSRAVQ   Z2, Z0, Z0     \
	ADDQ      $64, SI        \
	ADDQ      $32, R8        \
	ADDQ      $32, R9

// func scale32AVX512(dst *int32, sum *int64, mant, exp *int32, s int64, n int)
TEXT ·scale32AVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ sum+8(FP), SI
	MOVQ mant+16(FP), R8
	MOVQ exp+24(FP), R9
	MOVQ s+32(FP), AX
	MOVQ n+40(FP), CX
	VPBROADCASTQ AX, Z9
	MOVQ $1, AX
	VPBROADCASTQ AX, Z8

scale32:
	ROWS
	VPMOVSQD Z0, (DI)
	ADDQ     $32, DI
	DECQ     CX
	JNZ      scale32
	VZEROUPPER
	RET

// func scale16AVX512(dst *int16, sum *int64, mant, exp *int32, s int64, n int)
TEXT ·scale16AVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ sum+8(FP), SI
	MOVQ mant+16(FP), R8
	MOVQ exp+24(FP), R9
	MOVQ s+32(FP), AX
	MOVQ n+40(FP), CX
	VPBROADCASTQ AX, Z9
	MOVQ $1, AX
	VPBROADCASTQ AX, Z8

scale16:
	ROWS
	VPMOVSQW Z0, (DI)
	ADDQ     $16, DI
	DECQ     CX
	JNZ      scale16
	VZEROUPPER
	RET

// func block32AVX512(dst **int32, sum *int64, mant, exp *int32, shift *int64, m int)
// A block of 32 rows of m tokens; shifts are 1..62.
TEXT ·block32AVX512(SB), NOSPLIT, $0-48
	SCALES

block32:
	WHOLES
	VPMOVSQD Z0, (BX)
	VPMOVSQD Z1, 32(BX)
	VPMOVSQD Z2, 64(BX)
	VPMOVSQD Z3, 96(BX)
	DECQ     CX
	JNZ      block32
	VZEROUPPER
	RET

// func block16AVX512(dst **int16, sum *int64, mant, exp *int32, shift *int64, m int)
TEXT ·block16AVX512(SB), NOSPLIT, $0-48
	SCALES

block16:
	WHOLES
	VPMOVSQW Z0, (BX)
	VPMOVSQW Z1, 16(BX)
	VPMOVSQW Z2, 32(BX)
	VPMOVSQW Z3, 48(BX)
	DECQ     CX
	JNZ      block16
	VZEROUPPER
	RET
