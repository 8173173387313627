// Philox4x64-10: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11. The function of numpy.random.Philox.
#pragma once

struct PhiloxBlock {
    unsigned long long word[4];
};

// The four words of one value of the counter, whose upper 192 bits are 0.
__device__ inline PhiloxBlock philox(unsigned long long counter, unsigned long long key0, unsigned long long key1) {
    PhiloxBlock c = {{counter, 0, 0, 0}};
    for (int round = 0; round < 10; ++round) {
        const unsigned long long low0 = 0xD2E7470EE14C6C93ULL * c.word[0], high0 = __umul64hi(0xD2E7470EE14C6C93ULL, c.word[0]);
        const unsigned long long low1 = 0xCA5A826395121157ULL * c.word[2], high1 = __umul64hi(0xCA5A826395121157ULL, c.word[2]);
        c = {{high1 ^ c.word[1] ^ key0, low1, high0 ^ c.word[3] ^ key1, low0}};
        key0 += 0x9E3779B97F4A7C15ULL;
        key1 += 0xBB67AE8584CAA73BULL;
    }
    return c;
}
