#include "textflag.h"
#include "amx_amd64.h"

// Products of a block of 32 rows for up to 16 tokens by matrix units. A step is 64 columns: two tiles
// of weights, 16 groups of 4 columns times 16 rows each, as they lie, and two of activations, 64 high
// bytes and 64 low bytes of each token.
//
//	AX configuration, DI sums of H0 L0 H1 L1 [4][16][16], R9 64, SI weights, R10 128,
//	R8 activations, BX bytes between tokens, CX steps

// func tilesAMX(sums *int32, config *uint8, w *int8, x *int16, stride, steps int)
//
// Tiles are taken and given back in here, where nothing of Go can take the thread away.
TEXT ·tilesAMX(SB), NOSPLIT, $0-48
	MOVQ sums+0(FP), DI
	MOVQ config+8(FP), AX
	MOVQ w+16(FP), SI
	MOVQ x+24(FP), R8
	MOVQ stride+32(FP), BX
	MOVQ steps+40(FP), CX
	MOVQ $64, R9
	MOVQ $128, R10
	LDTILECFG_AX
	LOAD_SUMS0
	LOAD_SUMS1
	LOAD_SUMS2
	LOAD_SUMS3

step:
	LOAD_WEIGHTS4
	LOAD_HIGH6
	LOAD_LOW7
	LOAD_WEIGHTS5
	ADD_064
	ADD_174
	ADD_265
	ADD_375
	ADDQ $2048, SI
	ADDQ $128, R8
	DECQ CX
	JNZ  step
	STORE_SUMS0
	STORE_SUMS1
	STORE_SUMS2
	STORE_SUMS3
	TILERELEASE
	RET

// HALF writes 8 sums 256*H + L - C at off(DI).
#define HALF(high, low, C, off) \
	VPMOVSXDQ high, Z0      \
	VPMOVSXDQ low, Z1       \
	VPSLLQ    $8, Z0, Z0    \
	VPADDQ    Z1, Z0, Z0    \
	VPSUBQ    C, Z0, Z0     \
	VMOVDQU64 Z0, off(DI)

// func joinAMX(dst *int64, sums, sum *int32, m int)
TEXT ·joinAMX(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ sums+8(FP), SI
	MOVQ sum+16(FP), DX
	MOVQ m+24(FP), CX
	VPMOVSXDQ 0(DX), Z28
	VPMOVSXDQ 32(DX), Z29
	VPMOVSXDQ 64(DX), Z30
	VPMOVSXDQ 96(DX), Z31
	VPSLLQ    $15, Z28, Z28
	VPSLLQ    $15, Z29, Z29
	VPSLLQ    $15, Z30, Z30
	VPSLLQ    $15, Z31, Z31

token:
	HALF((SI), 1024(SI), Z28, 0)
	HALF(32(SI), 1056(SI), Z29, 64)
	HALF(2048(SI), 3072(SI), Z30, 128)
	HALF(2080(SI), 3104(SI), Z31, 192)
	ADDQ $64, SI
	ADDQ $256, DI
	DECQ CX
	JNZ  token
	VZEROUPPER
	RET

// func planesAMX(dst, x *int16, n int)
TEXT ·planesAMX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ $0x80, AX
	VPBROADCASTB AX, Z2

planes:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VPMOVWB   Z0, 64(DI)
	VPMOVWB   Z1, 96(DI)
	VPSRLW    $8, Z0, Z0
	VPSRLW    $8, Z1, Z1
	VPMOVWB   Z0, Y0
	VPMOVWB   Z1, Y1
	VPXORD    Y2, Y0, Y0
	VPXORD    Y2, Y1, Y1
	VMOVDQU64 Y0, (DI)
	VMOVDQU64 Y1, 32(DI)
	ADDQ      $128, SI
	ADDQ      $128, DI
	DECQ      CX
	JNZ       planes
	VZEROUPPER
	RET
