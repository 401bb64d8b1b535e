#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/core.hpp"
#include "gradstep/dispatch.hpp"

namespace gradstep::tests {
namespace {

struct Picture {
    int channels, height, width, flip, dy, dx;
    bool edge;
    Index inputs() const { return Index{channels} * height * width; }
    Images images() const { return {channels, height, width, edge}; }
};

const Picture kPictures[] = {
    {1, 1, 1, 0, 0, 0, false},     {1, 1, 1, 1, 5, -5, true},     {3, 32, 32, 0, 0, 0, false},
    {3, 32, 32, 1, 0, 0, false},   {3, 32, 32, 0, 4, -3, false},  {3, 32, 32, 1, -4, 2, true},
    {2, 5, 7, 1, 2, 3, false},     {2, 5, 7, 0, -2, -6, true},    {2, 5, 7, 1, 4, -1, true},
    {1, 28, 28, 1, 1, 1, false},   {1, 28, 28, 0, -27, 27, true}, {4, 3, 67, 1, 0, -9, false},
    {4, 3, 67, 0, 1, 40, true},    {1, 9, 2, 1, -3, 1, false},    {3, 8, 16, 1, 8, 0, false},
    {3, 8, 16, 0, 0, 16, true},    {3, 8, 16, 1, -300, 9, true},  {3, 8, 16, 0, 2, -300, false},
    {3, 8, 16, 1, 0, 32767, true}, {1, 1, 40, 1, 0, 0, false},
};

// One pixel by hand: input i of the image that begins at `image`.
template <class Element>
Element pixel(const Element* image, const Picture& p, Index i) {
    const Index x = i % p.width, y = i / p.width % p.height, channel = i / p.width / p.height;
    Index from_x = x - p.dx, from_y = y - p.dy;
    const bool inside = from_x >= 0 && from_x < p.width && from_y >= 0 && from_y < p.height;
    if (!inside && !p.edge) return Element(0);
    from_x = std::clamp(from_x, Index{0}, Index{p.width} - 1);
    from_y = std::clamp(from_y, Index{0}, Index{p.height} - 1);
    if (p.flip) from_x = p.width - 1 - from_x;
    return image[(channel * p.height + from_y) * p.width + from_x];
}

// Arrays are exactly as long as they must be, so a sanitizer sees any step outside.
template <class T, class Element>
void test_augment_rows(const std::string& isa, const Picture& p) {
    const Index d = p.inputs(), n = 7, stride = d + 3, b = 6;
    std::vector<Element> X(static_cast<std::size_t>((n - 1) * stride + d));
    for (std::size_t i = 0; i < X.size(); ++i) X[i] = static_cast<Element>(1 + i * 7919 % 251);
    Rows<T> rows{};
    rows.X = X.data();
    rows.type = kRowType<Element>;
    rows.n = n;
    rows.d = d;
    rows.stride = stride;
    const std::int32_t row_indices[] = {6, 0, 3, 3, 5, 1};
    std::vector<std::int16_t> draws;
    for (Index r = 0; r < b; ++r)
        for (const int draw : {p.flip, p.dy, p.dx})
            draws.push_back(static_cast<std::int16_t>(r == 2 ? 0 : draw));
    const Picture still{p.channels, p.height, p.width, 0, 0, 0, p.edge};
    const Index cuts[][2] = {{0, d},     {0, (d + 1) / 2}, {d / 3, d}, {d / 3, d / 3 + 1},
                             {d - 1, d}, {d / 4, d / 2}};
    for (const auto& [i0, i1] : cuts) {
        const Index ldto = i1 - i0 + 5;
        std::vector<Element> to(static_cast<std::size_t>((b - 1) * ldto + i1 - i0) + 15 / sizeof(Element),
                                Element(255));
        kernels_of<T>(isa).augment_rows({to.data(), ldto}, rows, {row_indices, 0, b}, draws.data(),
                                        p.images(), {i0, i1});
        bool all = true;
        for (Index r = 0; r < b; ++r) {
            for (Index i = i0; i < i1; ++i)
                all &= to[static_cast<std::size_t>(r * ldto + i - i0)] ==
                       pixel(X.data() + row_indices[r] * stride, r == 2 ? still : p, i);
            // What lies between two rows is left alone.
            for (Index gap = i1 - i0; gap < (r + 1 < b ? ldto : i1 - i0 + Index{15 / sizeof(Element)}); ++gap)
                all &= to[static_cast<std::size_t>(r * ldto + gap)] == Element(255);
        }
        CHECK(all);
    }
}

// A session on augmented rows does what one does on rows that were augmented before, for any team, and takes
// memory for its first update only.
template <class T, class Element>
void test_session(const std::string& isa, const Picture& p, Index classes) {
    const Index d = p.inputs(), n = 24, b = 10, P = (d + 1) * classes;
    const Index sizes[] = {d, classes}, offsets[] = {0, d * classes}, starts[] = {0, b, 2 * b, n};
    std::mt19937 random(3);
    std::vector<Element> X(static_cast<std::size_t>(n * d)), moved;
    for (Element& x : X) x = static_cast<Element>(random() % 200);
    std::vector<std::int32_t> row_indices, in_order, y;
    std::vector<std::int16_t> draws;
    for (Index r = 0; r < n; ++r) {
        row_indices.push_back(static_cast<std::int32_t>((r * 7 + 3) % n));
        in_order.push_back(static_cast<std::int32_t>(r));
        y.push_back(static_cast<std::int32_t>(r % classes));
        Picture draw = p;
        draw.flip = static_cast<int>(r % 2);
        draw.dy = r % 3 ? static_cast<int>(r % 5) - 2 : 0;
        draw.dx = r % 3 ? static_cast<int>(r % 7) - 3 : 0;
        for (const int value : {draw.flip, draw.dy, draw.dx})
            draws.push_back(static_cast<std::int16_t>(value));
        for (Index i = 0; i < d; ++i) moved.push_back(pixel(X.data() + row_indices.back() * d, draw, i));
    }
    std::vector<std::int32_t> y_moved;
    for (const std::int32_t row : row_indices) y_moved.push_back(y[static_cast<std::size_t>(row)]);
    const std::size_t room = static_cast<std::size_t>(d + kReadPadding);
    const std::vector<double> mean(room, 90.0), inverse_scale(room, 0.02),
        numbers{0.998, -0.1, 1, -0.1, 0.998, -0.1, 1, -0.1, 0.998, -0.1, 1, -0.1};
    const std::vector<T> mean_T(room, T(90)), inverse_scale_T(room, static_cast<T>(0.02));
    const auto rows_of = [&](const std::vector<Element>& data, const std::vector<std::int32_t>& labels) {
        return Rows<T>{
            .X = data.data(),
            .type = kRowType<Element>,
            .n = n,
            .d = d,
            .stride = d,
            .mean = mean.data(),
            .inverse_scale = inverse_scale.data(),
            .mean_T = mean_T.data(),
            .inverse_scale_T = inverse_scale_T.data(),
            .labels = labels.data(),
        };
    };
    const double l2 = 0.01, smoothing = 0;
    const Kernels<T>& kernels = kernels_of<T>(isa);
    const Models<T> models{
        .kernels = &kernels,
        .layers = {1, sizes, offsets, P},
        .m = 1,
        .l2 = &l2,
        .loss = find(kernels.losses, "softmax"),
        .loss_numbers = &smoothing,
        .activations = nullptr,
        .activation_numbers = nullptr,
        .rule = find(kernels.rules, "descent"),
    };
    const auto train = [&](const Rows<T>& rows, std::optional<Images> images,
                           const std::vector<std::int32_t>& chosen, const std::int16_t* drawn,
                           int n_threads) {
        std::vector<T> parameters(static_cast<std::size_t>(P), T(0));
        Index updates = 0, seen = 0;
        std::uint8_t finite = 1;
        double loss = 0, hits = 0;
        Session<T> session(models, rows, b, nullptr, 0, n_threads, images);
        for (int epoch = 0; epoch < 2; ++epoch) {
            const Index taken = buffers_taken.load();
            session.train({3, chosen.data(), starts, numbers.data(), drawn},
                          {parameters.data(), nullptr, &updates, &finite, &loss, &hits, &seen},
                          {never, nullptr});
            CHECK((buffers_taken.load() == taken) == (epoch == 1));
        }
        CHECK(updates == 6 && finite == 1);
        return parameters;
    };
    const std::vector<T> wanted = train(rows_of(moved, y_moved), std::nullopt, in_order, nullptr, 1);
    for (const int n_threads : {1, 2, 3, 7})
        CHECK(train(rows_of(X, y), p.images(), row_indices, draws.data(), n_threads) == wanted);
}

template <class T, class Element>
void test_both(const std::string& isa) {
    for (const Picture& p : kPictures) test_augment_rows<T, Element>(isa, p);
    for (const bool edge : {false, true}) {
        test_session<T, Element>(isa, {3, 32, 32, 0, 0, 0, edge}, 10);
        test_session<T, Element>(isa, {3, 32, 32, 0, 0, 0, edge}, 70);
        test_session<T, Element>(isa, {2, 7, 29, 0, 0, 0, edge}, 3);
    }
}

void test_augmentation(const std::string& isa) {
    test_both<float, std::uint8_t>(isa);
    test_both<float, float>(isa);
    test_both<float, double>(isa);
    test_both<double, std::uint8_t>(isa);
    test_both<double, double>(isa);
}

TEST(images_are_flipped_and_shifted) {
    for (const std::string& isa : isas_usable()) test_augmentation(isa);
}

}  // namespace
}  // namespace gradstep::tests
