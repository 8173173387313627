// Looks for indices outside low .. high - 1. What is found is noted, once: the code of who asked, the index, and what the message says besides.
// The note lies in the host's memory, which is written to only where something is wrong. All threads of a launch would note the same but for the
// index; the code comes last, by which the host knows that there is a note.
template <typename T>
__global__ void check(const T* __restrict__ index, long long n, long long low, long long high, long long dim, long long code, long long* note) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {
        const long long value = index[i];
        if ((value < low || value >= high) && *(volatile long long*)note == 0) {
            note[1] = value;
            note[2] = dim;
            note[3] = high;
            __threadfence_system();
            *(volatile long long*)note = code;
        }
    }
}
