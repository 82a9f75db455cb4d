#include "textflag.h"

// Attention of several queries over one head of the cache, as products: keys turned so that 16 positions
// stand side by side, values in pairs of positions. VPDPWSSD adds two products of int16 to each lane.

// func planesAVX512(dst *int32, q *int16, blocks int)
// 32 * blocks elements of a query as pairs of high bytes, with sign, then as pairs of low bytes.
TEXT ·planesAVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVQ CX, BX
	SHLQ $6, BX
	VPTERNLOGD $0xFF, Z2, Z2, Z2
	VPSRLW $8, Z2, Z2

planes:
	VMOVDQU64 (SI), Z0
	VPSRAW    $8, Z0, Z1
	VPANDQ    Z2, Z0, Z0
	VMOVDQU64 Z1, (DI)
	VMOVDQU64 Z0, (DI)(BX*1)
	ADDQ      $64, SI
	ADDQ      $64, DI
	DECQ      CX
	JNZ       planes
	VZEROUPPER
	RET

#define LOAD4(A, B, C, D) \
	VMOVDQU64 (R8), A        \
	VMOVDQU64 (R8)(BX*1), B  \
	VMOVDQU64 (R8)(BX*2), C  \
	VMOVDQU64 (R8)(DX*1), D  \
	LEAQ      (R8)(BX*4), R8

#define DWORDS(A, B, LOW, HIGH) \
	VPUNPCKLDQ B, A, LOW  \
	VPUNPCKHDQ B, A, HIGH

#define QWORDS(A, B, C, D, W, X, Y, Z) \
	VPUNPCKLQDQ C, A, W \
	VPUNPCKHQDQ C, A, X \
	VPUNPCKLQDQ D, B, Y \
	VPUNPCKHQDQ D, B, Z

// LANES stores columns c, c+4, c+8 and c+12 of 16 rows.
#define LANES(A, B, C, D, c) \
	VSHUFI32X4 $0x88, B, A, Z16     \
	VSHUFI32X4 $0xDD, B, A, Z17     \
	VSHUFI32X4 $0x88, D, C, Z18     \
	VSHUFI32X4 $0xDD, D, C, Z19     \
	VSHUFI32X4 $0x88, Z18, Z16, Z20 \
	VSHUFI32X4 $0xDD, Z18, Z16, Z21 \
	VSHUFI32X4 $0x88, Z19, Z17, Z22 \
	VSHUFI32X4 $0xDD, Z19, Z17, Z23 \
	VMOVDQU64  Z20, (c*64)(DI)      \
	VMOVDQU64  Z22, (c*64+256)(DI)  \
	VMOVDQU64  Z21, (c*64+512)(DI)  \
	VMOVDQU64  Z23, (c*64+768)(DI)

// func turnAVX512(dst *int32, k *int16, stride, blocks int)
// 16 positions of 32 * blocks elements, stride bytes apart: dst [pairs of elements][16].
TEXT ·turnAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ k+8(FP), SI
	MOVQ stride+16(FP), BX
	MOVQ blocks+24(FP), CX
	LEAQ (BX)(BX*2), DX

turn:
	MOVQ SI, R8
	LOAD4(Z0, Z1, Z2, Z3)
	LOAD4(Z4, Z5, Z6, Z7)
	LOAD4(Z8, Z9, Z10, Z11)
	LOAD4(Z12, Z13, Z14, Z15)
	DWORDS(Z0, Z1, Z16, Z17)
	DWORDS(Z2, Z3, Z18, Z19)
	DWORDS(Z4, Z5, Z20, Z21)
	DWORDS(Z6, Z7, Z22, Z23)
	DWORDS(Z8, Z9, Z24, Z25)
	DWORDS(Z10, Z11, Z26, Z27)
	DWORDS(Z12, Z13, Z28, Z29)
	DWORDS(Z14, Z15, Z30, Z31)
	QWORDS(Z16, Z17, Z18, Z19, Z0, Z1, Z2, Z3)
	QWORDS(Z20, Z21, Z22, Z23, Z4, Z5, Z6, Z7)
	QWORDS(Z24, Z25, Z26, Z27, Z8, Z9, Z10, Z11)
	QWORDS(Z28, Z29, Z30, Z31, Z12, Z13, Z14, Z15)
	LANES(Z0, Z4, Z8, Z12, 0)
	LANES(Z1, Z5, Z9, Z13, 1)
	LANES(Z2, Z6, Z10, Z14, 2)
	LANES(Z3, Z7, Z11, Z15, 3)
	ADDQ $1024, DI
	ADDQ $64, SI
	DECQ CX
	JNZ  turn
	VZEROUPPER
	RET

// EIGHT scales 8 sums, 256 * YH + YL, and writes them at off(ptr): Z28 is the factor, Z29 half of what
// the shift Z30 takes away.
#define EIGHT(YH, YL, ptr, off) \
	VPMOVSXDQ YH, Z18        \
	VPMOVSXDQ YL, Z19        \
	VPSLLQ    $8, Z18, Z18   \
	VPADDQ    Z19, Z18, Z18  \
	VPMULLQ   Z28, Z18, Z18  \
	VPADDQ    Z29, Z18, Z18  \
	VPSRAVQ   Z30, Z18, Z18  \
	VPMOVSQD  Z18, off(ptr)

#define SIXTEEN(ZH, YH, ZL, YL, ptr, off) \
	EIGHT(YH, YL, ptr, off)       \
	VEXTRACTI64X4 $1, ZH, Y16     \
	VEXTRACTI64X4 $1, ZL, Y17     \
	EIGHT(Y16, Y17, ptr, off+32)

// func scoresAVX512(dst *int32, step int, k, q *int32, pairs, times int, mult, s int64)
// The scores of two queries, whose planes follow each other, for times * 32 positions: dst and step bytes
// behind it. A lane adds 2 * pairs products below 2^8 * 2^15, pairs at most 128: less than 2^31.
TEXT ·scoresAVX512(SB), NOSPLIT, $0-64
	MOVQ dst+0(FP), DI
	MOVQ step+8(FP), R9
	ADDQ DI, R9
	MOVQ k+16(FP), SI
	MOVQ pairs+32(FP), BX
	LEAQ (BX*4), R10
	LEAQ (R10)(R10*2), R11
	SHLQ $6, BX
	MOVQ times+40(FP), R12
	MOVQ mult+48(FP), AX
	VPBROADCASTQ AX, Z28
	MOVQ s+56(FP), CX
	VPBROADCASTQ CX, Z30
	MOVQ $1, DX
	SHLQ CX, DX
	SHRQ $1, DX
	VPBROADCASTQ DX, Z29

times:
	MOVQ q+24(FP), R8
	MOVQ pairs+32(FP), CX
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7

elements:
	VMOVDQU32    (SI), Z16
	VMOVDQU32    (SI)(BX*1), Z17
	VPBROADCASTD (R8), Z18
	VPBROADCASTD (R8)(R10*1), Z19
	VPBROADCASTD (R8)(R10*2), Z20
	VPBROADCASTD (R8)(R11*1), Z21
	VPDPWSSD     Z16, Z18, Z0
	VPDPWSSD     Z17, Z18, Z1
	VPDPWSSD     Z16, Z19, Z2
	VPDPWSSD     Z17, Z19, Z3
	VPDPWSSD     Z16, Z20, Z4
	VPDPWSSD     Z17, Z20, Z5
	VPDPWSSD     Z16, Z21, Z6
	VPDPWSSD     Z17, Z21, Z7
	ADDQ         $64, SI
	ADDQ         $4, R8
	DECQ         CX
	JNZ          elements
	SIXTEEN(Z0, Y0, Z2, Y2, DI, 0)
	SIXTEEN(Z1, Y1, Z3, Y3, DI, 64)
	SIXTEEN(Z4, Y4, Z6, Y6, R9, 0)
	SIXTEEN(Z5, Y5, Z7, Y7, R9, 64)
	ADDQ BX, SI
	ADDQ $128, DI
	ADDQ $128, R9
	DECQ R12
	JNZ  times
	VZEROUPPER
	RET

// Words 0 to 15 of two vectors in turns, then words 16 to 31.
DATA turns<>+0(SB)/8, $0x0021000100200000
DATA turns<>+8(SB)/8, $0x0023000300220002
DATA turns<>+16(SB)/8, $0x0025000500240004
DATA turns<>+24(SB)/8, $0x0027000700260006
DATA turns<>+32(SB)/8, $0x0029000900280008
DATA turns<>+40(SB)/8, $0x002B000B002A000A
DATA turns<>+48(SB)/8, $0x002D000D002C000C
DATA turns<>+56(SB)/8, $0x002F000F002E000E
DATA turns<>+64(SB)/8, $0x0031001100300010
DATA turns<>+72(SB)/8, $0x0033001300320012
DATA turns<>+80(SB)/8, $0x0035001500340014
DATA turns<>+88(SB)/8, $0x0037001700360016
DATA turns<>+96(SB)/8, $0x0039001900380018
DATA turns<>+104(SB)/8, $0x003B001B003A001A
DATA turns<>+112(SB)/8, $0x003D001D003C001C
DATA turns<>+120(SB)/8, $0x003F001F003E001E
GLOBL turns<>(SB), RODATA|NOPTR, $128

// func pairAVX512(dst, v *int16, stride, blocks, pairs int)
// 2 * pairs positions of 32 * blocks elements, stride bytes apart: dst [pairs][32 * blocks][2].
TEXT ·pairAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ v+8(FP), SI
	MOVQ stride+16(FP), BX
	MOVQ pairs+32(FP), R12
	VMOVDQU64 turns<>+0(SB), Z4
	VMOVDQU64 turns<>+64(SB), Z5

pairs:
	MOVQ SI, R8
	MOVQ blocks+24(FP), CX

blocks:
	VMOVDQU64 (R8), Z0
	VMOVDQU64 (R8)(BX*1), Z1
	VMOVDQA64 Z0, Z2
	VPERMT2W  Z1, Z4, Z2
	VPERMT2W  Z1, Z5, Z0
	VMOVDQU64 Z2, (DI)
	VMOVDQU64 Z0, 64(DI)
	ADDQ      $64, R8
	ADDQ      $128, DI
	DECQ      CX
	JNZ       blocks
	LEAQ      (SI)(BX*2), SI
	DECQ      R12
	JNZ       pairs
	VZEROUPPER
	RET

// SUM8 adds 8 sums, 2^18 YC + 2^9 YB + YA, to those at off(DI).
#define SUM8(YA, YB, YC, off) \
	VPMOVSXDQ YA, Z11             \
	VPMOVSXDQ YB, Z12             \
	VPMOVSXDQ YC, Z13             \
	VPSLLQ    $9, Z12, Z12        \
	VPSLLQ    $18, Z13, Z13       \
	VPADDQ    Z12, Z11, Z11       \
	VPADDQ    Z13, Z11, Z11       \
	VPADDQ    off(DI), Z11, Z11   \
	VMOVDQU64 Z11, off(DI)

#define SUM16(ZA, YA, ZB, YB, ZC, YC, off) \
	SUM8(YA, YB, YC, off)         \
	VEXTRACTI64X4 $1, ZA, Y14     \
	VEXTRACTI64X4 $1, ZB, Y15     \
	VEXTRACTI64X4 $1, ZC, Y16     \
	SUM8(Y14, Y15, Y16, off+64)

// func weighAVX512(dst, digits *int64, v *int16, step, pairs int)
// Adds the sums of weight * v over 2 * pairs positions, 32 elements of them, pairs step bytes apart. A
// lane adds at most 128 products below 2^9 * 2^15: less than 2^31.
TEXT ·weighAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ digits+8(FP), SI
	MOVQ v+16(FP), R8
	MOVQ step+24(FP), BX
	MOVQ pairs+32(FP), CX
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5

weigh:
	VMOVDQU32    (R8), Z6
	VMOVDQU32    64(R8), Z7
	VPBROADCASTD (SI), Z8
	VPBROADCASTD 512(SI), Z9
	VPBROADCASTD 1024(SI), Z10
	VPDPWSSD     Z6, Z8, Z0
	VPDPWSSD     Z7, Z8, Z1
	VPDPWSSD     Z6, Z9, Z2
	VPDPWSSD     Z7, Z9, Z3
	VPDPWSSD     Z6, Z10, Z4
	VPDPWSSD     Z7, Z10, Z5
	ADDQ         $8, SI
	ADDQ         BX, R8
	DECQ         CX
	JNZ          weigh
	SUM16(Z0, Y0, Z2, Y2, Z4, Y4, 0)
	SUM16(Z1, Y1, Z3, Y3, Z5, Y5, 128)
	VZEROUPPER
	RET
