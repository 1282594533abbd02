/* 16QAM under a root raised cosine with liquid-dsp, 8 samples per symbol: `liquid_qam clean|awgn SECONDS`.
 *
 *     cc -O3 -march=native benchmarks/liquid_qam.c -o liquid_qam -lliquid -lm
 *
 * Prints records of 1024 samples per second and how many they were, as JSON. */
#include <complex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <liquid/liquid.h>

enum { NUM_SAMPLES = 1024, SAMPLES_PER_SYMBOL = 8, SPAN = 16, NUM_SYMBOLS = NUM_SAMPLES / SAMPLES_PER_SYMBOL + SPAN };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: liquid_qam clean|awgn SECONDS\n"), 2;
    int noise = !strcmp(argv[1], "awgn");
    double seconds = atof(argv[2]), begun = now(), sum = 0;
    float level = 0.316227766f * 0.70710678f; /* 10 dB */
    modem mapper = modem_create(LIQUID_MODEM_QAM16);
    firinterp_crcf pulse =
        firinterp_crcf_create_prototype(LIQUID_FIRFILT_RRC, SAMPLES_PER_SYMBOL, SPAN / 2, 0.35f, 0.0f);
    float complex symbols[NUM_SYMBOLS], x[NUM_SYMBOLS * SAMPLES_PER_SYMBOL];
    long done = 0;
    for (; now() - begun < seconds; done++) {
        for (int i = 0; i < NUM_SYMBOLS; i++) modem_modulate(mapper, modem_gen_rand_sym(mapper), &symbols[i]);
        firinterp_crcf_reset(pulse);
        firinterp_crcf_execute_block(pulse, symbols, NUM_SYMBOLS, x);
        float complex *record = x + SPAN * SAMPLES_PER_SYMBOL;
        if (noise)
            for (int i = 0; i < NUM_SAMPLES; i++) record[i] += level * (randnf() + _Complex_I * randnf());
        sum += crealf(record[done % NUM_SAMPLES]); /* so that no compiler leaves the work out */
    }
    printf("{\"value\": %.1f, \"n\": %ld, \"version\": \"%s\"}\n", done / (now() - begun), done, liquid_libversion());
    fprintf(stderr, "mean %g\n", sum / done);
    modem_destroy(mapper);
    firinterp_crcf_destroy(pulse);
    return 0;
}
