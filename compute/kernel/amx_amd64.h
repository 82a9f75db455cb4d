// Instructions of matrix units, which the assembler of Go does not know, as bytes. Behind each stands
// what it is for another assembler; TestTilesAreWhatTheyAreCalled compares them. Tiles 0..3 are sums,
// 4 and 5 weights, 6 and 7 activations.

#define LDTILECFG_AX BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // ldtilecfg [rax]
#define TILERELEASE BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0 // tilerelease

#define ZERO_SUMS0 BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $0xC0 // tilezero tmm0
#define ZERO_SUMS1 BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $0xC8 // tilezero tmm1
#define ZERO_SUMS2 BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $0xD0 // tilezero tmm2
#define ZERO_SUMS3 BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $0xD8 // tilezero tmm3

#define LOAD_SUMS0 BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $0x04; BYTE $0x0F // tileloadd tmm0, [rdi+r9]
#define LOAD_SUMS1 BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $0x8C; BYTE $0x0F; LONG $1024 // tileloadd tmm1, [rdi+r9+1024]
#define LOAD_SUMS2 BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $0x94; BYTE $0x0F; LONG $2048 // tileloadd tmm2, [rdi+r9+2048]
#define LOAD_SUMS3 BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $0x9C; BYTE $0x0F; LONG $3072 // tileloadd tmm3, [rdi+r9+3072]

#define LOAD_WEIGHTS4 BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $0x24; BYTE $0x16 // tileloadd tmm4, [rsi+r10]
#define LOAD_WEIGHTS5 BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $0x6C; BYTE $0x16; BYTE $0x40 // tileloadd tmm5, [rsi+r10+64]
#define LOAD_HIGH6 BYTE $0xC4; BYTE $0xC2; BYTE $0x7B; BYTE $0x4B; BYTE $0x34; BYTE $0x18 // tileloadd tmm6, [r8+rbx]
#define LOAD_LOW7 BYTE $0xC4; BYTE $0xC2; BYTE $0x7B; BYTE $0x4B; BYTE $0x7C; BYTE $0x18; BYTE $0x40 // tileloadd tmm7, [r8+rbx+64]
#define LOAD_NEAR7 BYTE $0xC4; BYTE $0xC2; BYTE $0x7B; BYTE $0x4B; BYTE $0x7C; BYTE $0x18; BYTE $0x20 // tileloadd tmm7, [r8+rbx+32]

#define ADD_064 BYTE $0xC4; BYTE $0xE2; BYTE $0x59; BYTE $0x5E; BYTE $0xC6 // tdpbusd tmm0, tmm6, tmm4
#define ADD_174 BYTE $0xC4; BYTE $0xE2; BYTE $0x59; BYTE $0x5E; BYTE $0xCF // tdpbusd tmm1, tmm7, tmm4
#define ADD_265 BYTE $0xC4; BYTE $0xE2; BYTE $0x51; BYTE $0x5E; BYTE $0xD6 // tdpbusd tmm2, tmm6, tmm5
#define ADD_375 BYTE $0xC4; BYTE $0xE2; BYTE $0x51; BYTE $0x5E; BYTE $0xDF // tdpbusd tmm3, tmm7, tmm5

#define STORE_SUMS0 BYTE $0xC4; BYTE $0xA2; BYTE $0x7A; BYTE $0x4B; BYTE $0x04; BYTE $0x0F // tilestored [rdi+r9], tmm0
#define STORE_SUMS1 BYTE $0xC4; BYTE $0xA2; BYTE $0x7A; BYTE $0x4B; BYTE $0x8C; BYTE $0x0F; LONG $1024 // tilestored [rdi+r9+1024], tmm1
#define STORE_SUMS2 BYTE $0xC4; BYTE $0xA2; BYTE $0x7A; BYTE $0x4B; BYTE $0x94; BYTE $0x0F; LONG $2048 // tilestored [rdi+r9+2048], tmm2
#define STORE_SUMS3 BYTE $0xC4; BYTE $0xA2; BYTE $0x7A; BYTE $0x4B; BYTE $0x9C; BYTE $0x0F; LONG $3072 // tilestored [rdi+r9+3072], tmm3
