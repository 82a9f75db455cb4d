// Instructions that the assembler does not know. Registers are numbers; d is what is written.

// Dot products of 4 signed bytes: 4 rows of n with bytes 4i..4i+3 of m, i of 0..3.
#define SDOT(m, i, n, d) WORD $(0x4F80E000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

// Products of the low, or the upper, halves of n and m, added to d: 16 bits to 32, and 32 to 64.
#define SMLAL_S(m, n, d) WORD $(0x0E608000 | (m)<<16 | (n)<<5 | (d))
#define SMLAL2_S(m, n, d) WORD $(0x4E608000 | (m)<<16 | (n)<<5 | (d))
#define SMULL_S(m, n, d) WORD $(0x0E60C000 | (m)<<16 | (n)<<5 | (d))
#define SMULL2_S(m, n, d) WORD $(0x4E60C000 | (m)<<16 | (n)<<5 | (d))
#define SMLAL_D(m, n, d) WORD $(0x0EA08000 | (m)<<16 | (n)<<5 | (d))
#define SMLAL2_D(m, n, d) WORD $(0x4EA08000 | (m)<<16 | (n)<<5 | (d))

// The halves of n, widened with their sign: bytes to 16 bits, 16 to 32, and 32 to 64 times 2^8.
#define SXTL_H(n, d) WORD $(0x0F08A400 | (n)<<5 | (d))
#define SXTL2_H(n, d) WORD $(0x4F08A400 | (n)<<5 | (d))
#define SXTL_S(n, d) WORD $(0x0F10A400 | (n)<<5 | (d))
#define SXTL2_S(n, d) WORD $(0x4F10A400 | (n)<<5 | (d))
#define SSHLL8_D(n, d) WORD $(0x0F28A400 | (n)<<5 | (d))
#define SSHLL28_D(n, d) WORD $(0x4F28A400 | (n)<<5 | (d))

// d = n + the widened half of m, 32 bits to 64.
#define SADDW_D(m, n, d) WORD $(0x0EA01000 | (m)<<16 | (n)<<5 | (d))
#define SADDW2_D(m, n, d) WORD $(0x4EA01000 | (m)<<16 | (n)<<5 | (d))

// Sums of neighbours of n, 32 bits to 64, added to d; and the sum of all four in the low half of d.
#define SADALP_D(n, d) WORD $(0x4EA06800 | (n)<<5 | (d))
#define SADDLV_D(n, d) WORD $(0x4EB03800 | (n)<<5 | (d))

// Each byte of n over 16, rounded down.
#define SSHR4_B(n, d) WORD $(0x4F0C0400 | (n)<<5 | (d))

// 4 lanes of 32 bits: n shifted by m, to the right where that is negative, rounded down or, by SRSHL,
// half up; the greater one; the magnitude; the saturated sum.
#define SSHL_S(m, n, d) WORD $(0x4EA04400 | (m)<<16 | (n)<<5 | (d))
#define SRSHL_S(m, n, d) WORD $(0x4EA05400 | (m)<<16 | (n)<<5 | (d))
#define SMAX_S(m, n, d) WORD $(0x4EA06400 | (m)<<16 | (n)<<5 | (d))
#define ABS_S(n, d) WORD $(0x4EA0B800 | (n)<<5 | (d))
#define SQADD_S(m, n, d) WORD $(0x4EA00C00 | (m)<<16 | (n)<<5 | (d))

// The greatest of 4 lanes of 32 bits, with a sign and without.
#define SMAXV_S(n, d) WORD $(0x4EB0A800 | (n)<<5 | (d))
#define UMAXV_S(n, d) WORD $(0x6EB0A800 | (n)<<5 | (d))

// 4 lanes of 32 bits, saturated to 16, in the low half of d, which becomes 0 above, or in the upper one.
#define SQXTN_H(n, d) WORD $(0x0E614800 | (n)<<5 | (d))
#define SQXTN2_H(n, d) WORD $(0x4E614800 | (n)<<5 | (d))

// Products of 32 bits to 64: n times m, taken from d; and the same without signs.
#define SMULL_D(m, n, d) WORD $(0x0EA0C000 | (m)<<16 | (n)<<5 | (d))
#define SMULL2_D(m, n, d) WORD $(0x4EA0C000 | (m)<<16 | (n)<<5 | (d))
#define SMLSL_D(m, n, d) WORD $(0x0EA0A000 | (m)<<16 | (n)<<5 | (d))
#define SMLSL2_D(m, n, d) WORD $(0x4EA0A000 | (m)<<16 | (n)<<5 | (d))
#define UMULL_D(m, n, d) WORD $(0x2EA0C000 | (m)<<16 | (n)<<5 | (d))
#define UMULL2_D(m, n, d) WORD $(0x6EA0C000 | (m)<<16 | (n)<<5 | (d))
#define UMLSL_D(m, n, d) WORD $(0x2EA0A000 | (m)<<16 | (n)<<5 | (d))
#define UMLSL2_D(m, n, d) WORD $(0x6EA0A000 | (m)<<16 | (n)<<5 | (d))
#define MUL_S(m, n, d) WORD $(0x4EA09C00 | (m)<<16 | (n)<<5 | (d))

// d = n + the widened half of m without sign; the halves of n, widened with their sign, without, and
// times 2^32.
#define UADDW_D(m, n, d) WORD $(0x2EA01000 | (m)<<16 | (n)<<5 | (d))
#define UADDW2_D(m, n, d) WORD $(0x6EA01000 | (m)<<16 | (n)<<5 | (d))
#define SXTL_D(n, d) WORD $(0x0F20A400 | (n)<<5 | (d))
#define SXTL2_D(n, d) WORD $(0x4F20A400 | (n)<<5 | (d))
#define UXTL_D(n, d) WORD $(0x2F20A400 | (n)<<5 | (d))
#define UXTL2_D(n, d) WORD $(0x6F20A400 | (n)<<5 | (d))
#define SHLL_D(n, d) WORD $(0x2EA13800 | (n)<<5 | (d))
#define SHLL2_D(n, d) WORD $(0x6EA13800 | (n)<<5 | (d))

// n shifted by m, to the right where that is negative, rounded half up, with signs and without; by a
// constant: rounded down with signs, half up with them and without.
#define SRSHL_D(m, n, d) WORD $(0x4EE05400 | (m)<<16 | (n)<<5 | (d))
#define URSHL_D(m, n, d) WORD $(0x6EE05400 | (m)<<16 | (n)<<5 | (d))
#define URSHL_S(m, n, d) WORD $(0x6EA05400 | (m)<<16 | (n)<<5 | (d))
#define SSHR_S(by, n, d) WORD $(0x4F000400 | (64-(by))<<16 | (n)<<5 | (d))
#define SSHR_D(by, n, d) WORD $(0x4F000400 | (128-(by))<<16 | (n)<<5 | (d))
#define SRSHR_D(by, n, d) WORD $(0x4F002400 | (128-(by))<<16 | (n)<<5 | (d))
#define URSHR_S(by, n, d) WORD $(0x6F002400 | (64-(by))<<16 | (n)<<5 | (d))

// 2 lanes of 64 bits made 32, in the low half of d, or in the upper one: saturated, saturated without
// sign, cut.
#define SQXTN_S(n, d) WORD $(0x0EA14800 | (n)<<5 | (d))
#define SQXTN2_S(n, d) WORD $(0x4EA14800 | (n)<<5 | (d))
#define UQXTN_S(n, d) WORD $(0x2EA14800 | (n)<<5 | (d))
#define UQXTN2_S(n, d) WORD $(0x6EA14800 | (n)<<5 | (d))
#define XTN_S(n, d) WORD $(0x0EA12800 | (n)<<5 | (d))
#define XTN2_S(n, d) WORD $(0x4EA12800 | (n)<<5 | (d))

// The lesser one; all ones where n is below 0, and where n is at least m.
#define SMIN_S(m, n, d) WORD $(0x4EA06C00 | (m)<<16 | (n)<<5 | (d))
#define CMLT0_S(n, d) WORD $(0x4EA0A800 | (n)<<5 | (d))
#define CMGE_D(m, n, d) WORD $(0x4EE03C00 | (m)<<16 | (n)<<5 | (d))

// Integers without sign to float64, their quotient n / m, and back, rounded towards 0.
#define UCVTF_D(n, d) WORD $(0x6E61D800 | (n)<<5 | (d))
#define FDIV_D(m, n, d) WORD $(0x6E60FC00 | (m)<<16 | (n)<<5 | (d))
#define FCVTZU_D(n, d) WORD $(0x6EE1B800 | (n)<<5 | (d))
