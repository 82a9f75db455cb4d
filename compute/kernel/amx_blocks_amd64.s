#include "textflag.h"
#include "go_asm.h"
#include "amx_amd64.h"

// Block-scaled products of 32 rows for up to 16 tokens by matrix units. A block of columns, 16 or 32,
// has sums of its own: tiles multiply it, its sums go to memory, and while tiles multiply the next one
// vectors bring the sums of this one to the rows.
//
//	R13 unitRun, DI sums of this block, R12 of the one before it, CX blocks left, SI codes, R11 mantissas
//	of the block before, R8 activations, BX bytes between tokens, R9 64, R10 128, AX DX scratch

#define ARGUMENTS \
	MOVQ r+0(FP), R13               \
	MOVQ unitRun_x(R13), R8         \
	MOVQ unitRun_stride(R13), BX    \
	MOVQ unitRun_blocks(R13), CX    \
	MOVQ unitRun_w(R13), R11        \
	ADDQ unitRun_bytes(R13), R11    \
	LEAQ (unitRun_room+unitRoom_sums)(R13), DI \
	LEAQ (4096)(DI)(DI*1), AX       \
	MOVQ AX, (unitRun_room+unitRoom_both)(R13)      \
	LEAQ unitRun_config(R13), AX    \
	LDTILECFG_AX

// TILES writes the sums of a block, H0 L0 H1 L1 [4][16][16], and goes to the activations of the next.
#define TILES \
	MOVQ $64, R9                    \
	MOVQ $128, R10                  \
	ZERO_SUMS0                      \
	ZERO_SUMS1                      \
	ZERO_SUMS2                      \
	ZERO_SUMS3                      \
	LOAD_WEIGHTS4                   \
	LOAD_HIGH6                      \
	LOAD_NEAR7                      \
	LOAD_WEIGHTS5                   \
	ADD_064                         \
	ADD_174                         \
	ADD_265                         \
	ADD_375                         \
	STORE_SUMS0                     \
	STORE_SUMS1                     \
	STORE_SUMS2                     \
	STORE_SUMS3                     \
	MOVQ unitRun_step(R13), AX      \
	ADDQ AX, R8                     \
	XORQ unitRun_flip(R13), AX      \
	MOVQ AX, unitRun_step(R13)

// PAIR brings 16 words to E, those of odd rows to O.
#define PAIR(off, E, O) \
	VMOVDQU32 off(R11), E \
	VPSRLQ    $32, E, O

// BEFORE finds the sums of the block before, its mantissas and the rows.
#define BEFORE \
	MOVQ (unitRun_room+unitRoom_both)(R13), R12     \
	SUBQ DI, R12                    \
	MOVQ unitRun_dst(R13), DX       \
	MOVQ unitRun_tokens(R13), AX    \
	PAIR(0, Z20, Z21)               \
	PAIR(64, Z22, Z23)

// SCALE8 and SCALE4 add mantissa times dot product to 16 rows of a token; sums of codes of 4 bits are 16
// times as large.
#define ROWS(E, O, off) \
	VPSRLQ    $32, Z0, Z1           \
	VPMULDQ   E, Z0, Z0             \
	VPMULDQ   O, Z1, Z1             \
	VPADDQ    off(DX), Z0, Z0       \
	VPADDQ    (off+64)(DX), Z1, Z1  \
	VMOVDQU64 Z0, off(DX)           \
	VMOVDQU64 Z1, (off+64)(DX)

#define SCALE8(high, low, E, O, off) \
	VPSLLD $8, high, Z0             \
	VPADDD low, Z0, Z0              \
	ROWS(E, O, off)

#define SCALE4(high, low, E, O, off) \
	VPSLLD $4, high, Z0             \
	VPSRAD $4, low, Z1              \
	VPADDD Z1, Z0, Z0               \
	ROWS(E, O, off)

// LEAST finds what offsets need of the block before: R9 the sums of its activations.
#define LEAST \
	MOVQ unitRun_dst(R13), DX       \
	MOVQ unitRun_tokens(R13), AX    \
	PAIR(128, Z20, Z21)             \
	PAIR(192, Z22, Z23)             \
	ADDQ $4, unitRun_extra(R13)

// OFFSET adds offset times sum to the rows of a token.
#define OFFSET \
	VPBROADCASTD (R9), Z2           \
	VPMULDQ   Z20, Z2, Z3           \
	VPMULDQ   Z21, Z2, Z4           \
	VPMULDQ   Z22, Z2, Z5           \
	VPMULDQ   Z23, Z2, Z6           \
	VPADDQ    (DX), Z3, Z3          \
	VPADDQ    64(DX), Z4, Z4        \
	VPADDQ    128(DX), Z5, Z5       \
	VPADDQ    192(DX), Z6, Z6       \
	VMOVDQU64 Z3, (DX)              \
	VMOVDQU64 Z4, 64(DX)            \
	VMOVDQU64 Z5, 128(DX)           \
	VMOVDQU64 Z6, 192(DX)           \
	ADDQ      BX, R9                \
	ADDQ      $256, DX

// OTHER exchanges the sums of this block and of the one before.
#define OTHER \
	MOVQ (unitRun_room+unitRoom_both)(R13), AX      \
	SUBQ DI, AX                     \
	MOVQ AX, DI

// func blocksAMX(r *unitRun)
//
// Tiles are taken and given back in here, where nothing of Go can take the thread away. There is one
// turn more than blocks: the first scales nothing, the last multiplies nothing.
TEXT ·blocksAMX(SB), NOSPLIT, $0-8
	ARGUMENTS
	MOVQ unitRun_w(R13), SI

block:
	TESTQ CX, CX
	JZ    scale
	TILES
	ADDQ  unitRun_part(R13), SI
	CMPQ  CX, unitRun_blocks(R13)
	JEQ   next

scale:
	BEFORE

token:
	SCALE8((R12), 1024(R12), Z20, Z21, 0)
	SCALE8(2048(R12), 3072(R12), Z22, Z23, 128)
	ADDQ $64, R12
	ADDQ $256, DX
	DECQ AX
	JNZ  token
	MOVQ unitRun_extra(R13), R9
	TESTQ R9, R9
	JZ   scaled
	LEAST

offset:
	OFFSET
	DECQ AX
	JNZ  offset

scaled:
	ADDQ unitRun_part(R13), R11

next:
	OTHER
	DECQ CX
	JGE  block
	TILERELEASE
	VZEROUPPER
	RET

// UNPACK brings the codes of the next block from 4 bits to bytes, 16 times as large, with rows 0 to 15 and
// 16 to 31 of a group side by side. Z31 holds the upper halves of bytes.
#define UNPACK \
	MOVQ unitRun_w(R13), AX         \
	MOVQ SI, DX                     \
	MOVQ unitRun_groups(R13), R9

#define GROUP \
	VMOVDQU64 (AX), Z1              \
	VPSLLW    $4, Z1, Z0            \
	VPANDD    Z31, Z0, Z0           \
	VPANDD    Z31, Z1, Z1           \
	VMOVDQU64 Z0, (DX)              \
	VMOVDQU64 Z1, 64(DX)            \
	ADDQ      $64, AX               \
	ADDQ      $128, DX

// UNPACKED goes to the codes of the block behind.
#define UNPACKED \
	MOVQ unitRun_part(R13), AX      \
	ADDQ AX, unitRun_w(R13)

// func nibblesAMX(r *unitRun)
TEXT ·nibblesAMX(SB), NOSPLIT, $0-8
	ARGUMENTS
	LEAQ (unitRun_room+unitRoom_codes)(R13), SI
	MOVL $0xf0f0f0f0, AX
	VPBROADCASTD AX, Z31
	UNPACK

first:
	GROUP
	DECQ R9
	JNZ  first
	UNPACKED

block:
	TESTQ CX, CX
	JZ    scale
	TILES
	CMPQ  CX, $1
	JEQ   whole
	UNPACK

group:
	GROUP
	DECQ R9
	JNZ  group
	UNPACKED

whole:
	CMPQ CX, unitRun_blocks(R13)
	JEQ  next

scale:
	BEFORE

token:
	SCALE4((R12), 1024(R12), Z20, Z21, 0)
	SCALE4(2048(R12), 3072(R12), Z22, Z23, 128)
	ADDQ $64, R12
	ADDQ $256, DX
	DECQ AX
	JNZ  token
	MOVQ unitRun_extra(R13), R9
	TESTQ R9, R9
	JZ   scaled
	LEAST

offset:
	OFFSET
	DECQ AX
	JNZ  offset

scaled:
	ADDQ unitRun_part(R13), R11

next:
	OTHER
	DECQ CX
	JGE  block
	TILERELEASE
	VZEROUPPER
	RET

// Rows 0 to 7, then 8 to 15, from the even ones and the odd ones.
DATA unitRows<>+0(SB)/8, $0
DATA unitRows<>+8(SB)/8, $8
DATA unitRows<>+16(SB)/8, $1
DATA unitRows<>+24(SB)/8, $9
DATA unitRows<>+32(SB)/8, $2
DATA unitRows<>+40(SB)/8, $10
DATA unitRows<>+48(SB)/8, $3
DATA unitRows<>+56(SB)/8, $11
DATA unitRows<>+64(SB)/8, $4
DATA unitRows<>+72(SB)/8, $12
DATA unitRows<>+80(SB)/8, $5
DATA unitRows<>+88(SB)/8, $13
DATA unitRows<>+96(SB)/8, $6
DATA unitRows<>+104(SB)/8, $14
DATA unitRows<>+112(SB)/8, $7
DATA unitRows<>+120(SB)/8, $15
GLOBL unitRows<>(SB), RODATA|NOPTR, $128

// func orderAMX(dst *int64, m int)
TEXT ·orderAMX(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ m+8(FP), CX
	ADDQ CX, CX
	VMOVDQU64 unitRows<>+0(SB), Z28
	VMOVDQU64 unitRows<>+64(SB), Z29

half:
	VMOVDQU64 (DI), Z0
	VMOVDQU64 64(DI), Z1
	VMOVDQA64 Z0, Z2
	VPERMT2Q  Z1, Z28, Z2
	VPERMT2Q  Z1, Z29, Z0
	VMOVDQU64 Z2, (DI)
	VMOVDQU64 Z0, 64(DI)
	ADDQ      $128, DI
	DECQ      CX
	JNZ       half
	VZEROUPPER
	RET

// func planes32AMX(dst, x *int16, n int)
TEXT ·planes32AMX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ $0x80, AX
	VPBROADCASTB AX, Y2

planes:
	VMOVDQU64 (SI), Z0
	VPMOVWB   Z0, 32(DI)
	VPSRLW    $8, Z0, Z0
	VPMOVWB   Z0, Y0
	VPXORD    Y2, Y0, Y0
	VMOVDQU64 Y0, (DI)
	ADDQ      $64, SI
	ADDQ      $64, DI
	DECQ      CX
	JNZ       planes
	VZEROUPPER
	RET
