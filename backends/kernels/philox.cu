#include "philox.cuh"

// Words start .. start + n of the stream of numpy.random.Philox(key). Each thread makes the four words of one counter.
extern "C" __global__ void words(unsigned long long* __restrict__ out, unsigned long long n, unsigned long long start,
                                 unsigned long long key0, unsigned long long key1) {
    const unsigned long long block = start / 4 + (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    const PhiloxBlock made = philox(block + 1, key0, key1);  // NumPy counts up before it makes its first words
    for (int i = 0; i < 4; ++i) {
        const unsigned long long at = block * 4 + i - start;  // wraps to a huge number for words before start
        if (at < n) out[at] = made.word[i];
    }
}
