#include "textflag.h"

// Elementwise kernels in AVX-512: 8 elements at a time in lanes of int64.

// HALF leaves 2^(AX-1), or 0 for AX = 0, in DX, for rounding; AX is a shift of 0..62.
#define HALF \
	MOVQ  $1, DX \
	MOVQ  AX, CX \
	SHLQ  CX, DX \
	SHRQ  $1, DX

// func addAVX512(dst, x, a *int32, n int)
TEXT ·addAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ a+16(FP), R8
	MOVQ n+24(FP), CX

add:
	VPMOVSXDQ (SI), Z0
	VPMOVSXDQ (R8), Z1
	VPADDQ    Z1, Z0, Z0
	VPMOVSQD  Z0, (DI)
	ADDQ      $32, SI
	ADDQ      $32, R8
	ADDQ      $32, DI
	DECQ      CX
	JNZ       add
	VZEROUPPER
	RET

// func quantAVX512(dst *int16, x *int32, s, n int)
TEXT ·quantAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ s+16(FP), AX
	HALF
	VPBROADCASTQ AX, Z3
	VPBROADCASTQ DX, Z2
	MOVQ n+24(FP), CX

quant:
	VPMOVSXDQ (SI), Z0
	VPADDQ    Z2, Z0, Z0
	VPSRAVQ   Z3, Z0, Z0
	VPMOVSQW  Z0, (DI)
	ADDQ      $32, SI
	ADDQ      $16, DI
	DECQ      CX
	JNZ       quant
	VZEROUPPER
	RET

// func normAVX512(dst *int16, x *int32, inv, s int64, gamma *int32, gs int64, n int)
TEXT ·normAVX512(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ inv+16(FP), AX
	VPBROADCASTQ AX, Z4
	MOVQ s+24(FP), AX
	HALF
	VPBROADCASTQ AX, Z5
	VPBROADCASTQ DX, Z6
	MOVQ gs+40(FP), AX
	HALF
	VPBROADCASTQ AX, Z7
	VPBROADCASTQ DX, Z8
	MOVQ gamma+32(FP), R8
	MOVQ n+48(FP), CX
	TESTQ R8, R8
	JZ    plain

gamma:
	VPMOVSXDQ (SI), Z0
	VPMULLQ   Z4, Z0, Z0
	VPADDQ    Z6, Z0, Z0
	VPSRAVQ   Z5, Z0, Z0
	VPMOVSXDQ (R8), Z1
	VPMULLQ   Z1, Z0, Z0
	VPADDQ    Z8, Z0, Z0
	VPSRAVQ   Z7, Z0, Z0
	VPMOVSQW  Z0, (DI)
	ADDQ      $32, SI
	ADDQ      $32, R8
	ADDQ      $16, DI
	DECQ      CX
	JNZ       gamma
	VZEROUPPER
	RET

plain:
	VPMOVSXDQ (SI), Z0
	VPMULLQ   Z4, Z0, Z0
	VPADDQ    Z6, Z0, Z0
	VPSRAVQ   Z5, Z0, Z0
	VPMOVSQW  Z0, (DI)
	ADDQ      $32, SI
	ADDQ      $16, DI
	DECQ      CX
	JNZ       plain
	VZEROUPPER
	RET

// func scaleAVX512(dst *int32, x *int64, offset, mult, s int64, n int)
// rs((x - offset) * mult, s), saturated.
TEXT ·scaleAVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ offset+16(FP), AX
	VPBROADCASTQ AX, Z1
	MOVQ mult+24(FP), AX
	VPBROADCASTQ AX, Z2
	MOVQ s+32(FP), AX
	HALF
	VPBROADCASTQ AX, Z3
	VPBROADCASTQ DX, Z4
	MOVQ n+40(FP), CX

scale:
	VMOVDQU64 (SI), Z0
	VPSUBQ    Z1, Z0, Z0
	VPMULLQ   Z2, Z0, Z0
	VPADDQ    Z4, Z0, Z0
	VPSRAVQ   Z3, Z0, Z0
	VPMOVSQD  Z0, (DI)
	ADDQ      $64, SI
	ADDQ      $32, DI
	DECQ      CX
	JNZ       scale
	VZEROUPPER
	RET

// ROTATE turns 8 pairs: u in Z0, v in Z1, cosine in Z2, sine in Z3 (the low half of each lane
// counts) to X4 and X5.
#define ROTATE \
	VPMULDQ  Z2, Z0, Z4 \
	VPMULDQ  Z3, Z1, Z6 \
	VPSUBQ   Z6, Z4, Z4 \
	VPMULDQ  Z3, Z0, Z5 \
	VPMULDQ  Z2, Z1, Z6 \
	VPADDQ   Z6, Z5, Z5 \
	VPADDQ   Z8, Z4, Z4 \
	VPADDQ   Z8, Z5, Z5 \
	VPSRAVQ  Z7, Z4, Z4 \
	VPSRAVQ  Z7, Z5, Z5

// func ropePairsAVX512(dst *int16, x, angle *int32, s, n int)
// 8 * n neighbouring pairs.
TEXT ·ropePairsAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ angle+16(FP), R8
	MOVQ s+24(FP), AX
	HALF
	VPBROADCASTQ AX, Z7
	VPBROADCASTQ DX, Z8
	MOVQ n+32(FP), CX

pairs:
	VMOVDQU64 (SI), Z0
	VPSRLQ    $32, Z0, Z1
	VMOVDQU64 (R8), Z2
	VPSRLQ    $32, Z2, Z3
	ROTATE
	VPMOVSQW  Z4, X4
	VPMOVSQW  Z5, X5
	VPUNPCKLWD X5, X4, X0
	VPUNPCKHWD X5, X4, X1
	VMOVDQU   X0, (DI)
	VMOVDQU   X1, 16(DI)
	ADDQ      $64, SI
	ADDQ      $64, R8
	ADDQ      $32, DI
	DECQ      CX
	JNZ       pairs
	VZEROUPPER
	RET

// func ropeHalvesAVX512(dst *int16, x, angle *int32, half, s, n int)
// 8 * n pairs whose second elements stand half elements behind.
TEXT ·ropeHalvesAVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ angle+16(FP), R8
	MOVQ half+24(FP), BX
	MOVQ s+32(FP), AX
	HALF
	VPBROADCASTQ AX, Z7
	VPBROADCASTQ DX, Z8
	MOVQ n+40(FP), CX

halves:
	VPMOVSXDQ (SI), Z0
	VPMOVSXDQ (SI)(BX*4), Z1
	VMOVDQU64 (R8), Z2
	VPSRLQ    $32, Z2, Z3
	ROTATE
	VPMOVSQW  Z4, (DI)
	VPMOVSQW  Z5, (DI)(BX*2)
	ADDQ      $32, SI
	ADDQ      $64, R8
	ADDQ      $16, DI
	DECQ      CX
	JNZ       halves
	VZEROUPPER
	RET

// FLOOR leaves floor(N / D) in Q for |N| < 2^62, 0 < D < 2^63 and quotients that a float64 holds to
// within 1: the quotient of floats, corrected by the sign of the remainder. R, T are scratch.
#define FLOOR(N, D, Q, R, T) \
	VCVTQQ2PD  N, R        \
	VCVTQQ2PD  D, T        \
	VDIVPD     T, R, R     \
	VMINPD     Z30, R, R   \
	VMAXPD     Z31, R, R   \
	VCVTTPD2QQ R, Q        \
	VPMULLQ    D, Q, R     \
	VPSUBQ     R, N, R     \
	VPSRAQ     $63, R, T   \
	VPADDQ     T, Q, Q     \
	VPSUBQ     R, D, R     \
	VPADDQ     Z29, R, R   \
	VPSRAQ     $63, R, R   \
	VPSUBQ     R, Q, Q

// Bounds of a quotient before it becomes an integer, as float64: 2^40.
DATA quotient<>+0(SB)/8, $0x4270000000000000
DATA quotient<>+8(SB)/8, $0xC270000000000000
GLOBL quotient<>(SB), RODATA|NOPTR, $16

// func divAVX512(dst *int16, x *int64, b int64, n int)
// 8 * n elements: floor((2 x + b) / 2 b), saturated. Quotients beyond the bounds of a float's
// exactness are beyond those of int16 too.
TEXT ·divAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ b+16(FP), AX
	VPBROADCASTQ AX, Z1
	VPADDQ Z1, Z1, Z2
	VBROADCASTSD quotient<>+0(SB), Z30
	VBROADCASTSD quotient<>+8(SB), Z31
	VPTERNLOGQ $0xFF, Z29, Z29, Z29
	MOVQ n+24(FP), CX

div:
	VMOVDQU64 (SI), Z0
	VPADDQ    Z0, Z0, Z0
	VPADDQ    Z1, Z0, Z0
	FLOOR(Z0, Z2, Z3, Z4, Z5)
	VPMOVSQW  Z3, (DI)
	ADDQ      $64, SI
	ADDQ      $16, DI
	DECQ      CX
	JNZ       div
	VZEROUPPER
	RET

DATA silu<>+0(SB)/8, $94548
DATA silu<>+8(SB)/8, $0x800000
DATA silu<>+16(SB)/8, $0xFF
DATA silu<>+24(SB)/8, $128
DATA silu<>+32(SB)/8, $1
DATA silu<>+40(SB)/8, $0x40000000
DATA silu<>+48(SB)/8, $0x20000000
GLOBL silu<>(SB), RODATA|NOPTR, $56

// func siluAVX512(dst, gate, u *int32, table *int64, q, s, n int)
// 8 * n elements; table has 256 entries, a value in the low half and a difference in the high one.
TEXT ·siluAVX512(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ gate+8(FP), SI
	MOVQ u+16(FP), R8
	MOVQ table+24(FP), R9
	MOVQ q+32(FP), AX
	HALF
	VPBROADCASTQ AX, Z10
	VPBROADCASTQ DX, Z11
	MOVQ s+40(FP), AX
	HALF
	VPBROADCASTQ AX, Z12
	VPBROADCASTQ DX, Z13
	VPBROADCASTQ silu<>+0(SB), Z14  // log2 e in Q16
	VPBROADCASTQ silu<>+8(SB), Z15  // exp2 of less than minus this is 0
	VPBROADCASTQ silu<>+16(SB), Z16
	VPBROADCASTQ silu<>+24(SB), Z17
	VPBROADCASTQ silu<>+32(SB), Z18
	VPBROADCASTQ silu<>+40(SB), Z19 // 2^30
	VPBROADCASTQ silu<>+48(SB), Z20 // 2^29
	VPXORQ Z21, Z21, Z21
	VBROADCASTSD quotient<>+0(SB), Z30
	VBROADCASTSD quotient<>+8(SB), Z31
	VPTERNLOGQ $0xFF, Z29, Z29, Z29
	MOVQ n+48(FP), CX

silu:
	// d = -min(rs(|g| * log2 e, q), 2^23)
	VPMOVSXDQ (SI), Z0
	VPABSQ    Z0, Z1
	VPMULLQ   Z14, Z1, Z1
	VPADDQ    Z11, Z1, Z1
	VPSRLVQ   Z10, Z1, Z1
	VPMINUQ   Z15, Z1, Z1
	VPSUBQ    Z1, Z21, Z1

	// e = exp2(d, 30)
	VPSRAQ     $16, Z1, Z2
	VPSUBQ     Z2, Z21, Z2
	VPANDQ     Z16, Z1, Z3
	VPSRLQ     $8, Z1, Z4
	VPANDQ     Z16, Z4, Z4
	KXNORQ     K1, K1, K1
	VPGATHERQQ (R9)(Z4*8), K1, Z5
	VPSRLQ     $32, Z5, Z6
	VPMULUDQ   Z3, Z6, Z6
	VPADDQ     Z17, Z6, Z6
	VPSRLQ     $8, Z6, Z6
	VPSLLQ     $32, Z5, Z5
	VPSRLQ     $32, Z5, Z5
	VPADDQ     Z6, Z5, Z5
	VPSUBQ     Z18, Z2, Z3
	VPSLLVQ    Z3, Z18, Z3
	VPADDQ     Z3, Z5, Z5
	VPSRLVQ    Z2, Z5, Z5

	// sig = div(numerator * 2^30, 2^30 + e), numerator = e where g < 0, else 2^30
	VPADDQ    Z19, Z5, Z6
	VPCMPQ    $1, Z21, Z0, K2
	VPBLENDMQ Z5, Z19, K2, Z7
	VPSLLQ    $31, Z7, Z7
	VPADDQ    Z6, Z7, Z7
	VPADDQ    Z6, Z6, Z6
	FLOOR(Z7, Z6, Z8, Z4, Z5)

	// rs(rs(g * sig, 30) * u, s)
	VPMULLQ   Z0, Z8, Z8
	VPADDQ    Z20, Z8, Z8
	VPSRAQ    $30, Z8, Z8
	VPMOVSXDQ (R8), Z1
	VPMULLQ   Z1, Z8, Z8
	VPADDQ    Z13, Z8, Z8
	VPSRAVQ   Z12, Z8, Z8
	VPMOVSQD  Z8, (DI)
	ADDQ      $32, SI
	ADDQ      $32, R8
	ADDQ      $32, DI
	DECQ      CX
	JNZ       silu
	VZEROUPPER
	RET
