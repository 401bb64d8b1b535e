// Calls a kernel once, on a batch of 100 images and a layer, in a function that callgrind can name:
//
//     driver ISA KERNEL OUTPUTS
//
// Prints the multiply-adds of the call. What is set up around it is not collected.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"

namespace {

using gradstep::Buffer;
using gradstep::Index;

constexpr Index b = 100, d = 3072;

// A batch and a layer as the training loop would hold them; values do not change the counts.
struct Work {
    const gradstep::Kernels<float>& kernels;
    Index out;
    Index ldx = d + 16;
    Index ldz, groups;
    Buffer<float> X, Z, panel, W;
    std::vector<std::uint8_t> images;
    std::vector<double> mean, inverse_scale;
    std::vector<float> mean_T;  // evaluations of bytes have the scale in their weights
    std::vector<std::int32_t> labels;
    gradstep::Rows<float> rows;

    Work(const gradstep::Kernels<float>& table, Index outputs)
        : kernels(table), out(outputs), ldz(table.padded(out)), groups(table.column_groups(d, out)),
          X(b * ldx), Z(b * ldz), panel(table.panel_size(d, out)), W(d * out), images(b * d, 7),
          mean(d + gradstep::kReadPadding, 1.0), inverse_scale(d + gradstep::kReadPadding, 0.5),
          mean_T(d + gradstep::kReadPadding, 1.0f), labels(b, 0), rows{
                                                                      .X = images.data(),
                                                                      .type = gradstep::RowType::uint8,
                                                                      .n = b,
                                                                      .d = d,
                                                                      .stride = d,
                                                                      .mean = mean.data(),
                                                                      .inverse_scale = inverse_scale.data(),
                                                                      .mean_T = mean_T.data(),
                                                                      .inverse_scale_T = nullptr,
                                                                      .labels = labels.data(),
                                                                  } {
        kernels.pack({panel.data(), d, out}, W.data(), nullptr);
    }

    gradstep::Weights<float> weights() const { return {panel.data(), d, out}; }
};

}  // namespace

// Not inlined, and without a mangled name, for --toggle-collect.
#define COLLECTED extern "C" __attribute__((noinline)) void

COLLECTED product(Work& w) {
    w.kernels.product({w.Z.data(), w.ldz}, {w.X.data(), w.ldx}, b, w.weights(), {0, d}, {0, w.groups}, false);
}

COLLECTED update(Work& w) {
    w.kernels.update(w.panel.data(), w.weights(), {1.0f, -0.1f}, {{w.X.data(), w.ldx}}, {w.Z.data(), w.ldz},
                     b, {0, d}, {0, w.groups});
}

COLLECTED gather_and_product(Work& w) {
    w.kernels.gather_product({w.Z.data(), w.ldz}, {w.X.data(), w.ldx}, true, {w.rows, {nullptr, 0, b}},
                             w.weights(), {0, d}, {0, w.groups}, false);
}

int main(int argc, char** argv) {
    if (argc != 4) return EXIT_FAILURE;
    Work work(gradstep::kernels_of<float>(argv[1]), std::atoi(argv[3]));
    if (!std::strcmp(argv[2], "product"))
        product(work);
    else if (!std::strcmp(argv[2], "update"))
        update(work);
    else if (!std::strcmp(argv[2], "gather_and_product"))
        gather_and_product(work);
    else
        return EXIT_FAILURE;
    std::printf("%lld\n", static_cast<long long>(b * d * work.out));
    return EXIT_SUCCESS;
}
