#include "gradstep/moments.hpp"

#include <algorithm>
#include <utility>

#include "gradstep/buffer.hpp"
#include "gradstep/parallel.hpp"

namespace gradstep {
namespace {

constexpr Index kColumns = 3072;    // at a time: their sums stay in the first cache
constexpr Index kMostRows = 65536;  // whose squares add up to less than 2^32

// Adds up to kMostRows rows of up to kColumns columns.
void add_rows(const std::uint8_t* X, Index rows, Index columns, Index stride, std::uint64_t* sums,
              std::uint64_t* squares) {
    std::uint32_t sum[kColumns] = {}, square[kColumns] = {};
    const auto add = [&]<int... R>(Index r, std::integer_sequence<int, R...>) {
        const std::uint8_t* x[] = {X + (r + R) * stride...};
        for (Index i = 0; i < columns; ++i) {
            sum[i] += static_cast<std::uint32_t>((... + x[R][i]));
            square[i] += static_cast<std::uint32_t>((... + static_cast<std::uint16_t>(x[R][i] * x[R][i])));
        }
    };
    // Four rows at a time: sums are read and written less often.
    Index r = 0;
    for (; r + 4 <= rows; r += 4) add(r, std::make_integer_sequence<int, 4>{});
    for (; r < rows; ++r) add(r, std::make_integer_sequence<int, 1>{});
    for (Index i = 0; i < columns; ++i) {
        sums[i] += sum[i];
        squares[i] += square[i];
    }
}

}  // namespace

void sums_of_bytes(const std::uint8_t* X, Index n, Index d, Index stride, std::uint64_t* sums,
                   int n_threads) {
    const int team = team_size(n_threads);
    const Buffer<std::uint64_t> parts(checked_product(2 * team, d));
    parallel(team, [&](int thread, int size) {
        std::uint64_t* own = parts.data() + 2 * thread * d;
        const Slice rows(n, thread, size);
        for (Index r = rows.begin; r < rows.end; r += kMostRows)
            for (Index i = 0; i < d; i += kColumns)
                add_rows(X + r * stride + i, std::min(kMostRows, rows.end - r), std::min(kColumns, d - i),
                         stride, own + i, own + d + i);
    });
    std::fill_n(sums, 2 * d, std::uint64_t{0});
    for (int thread = 0; thread < team; ++thread)
        for (Index i = 0; i < 2 * d; ++i) sums[i] += parts[2 * thread * d + i];
}

}  // namespace gradstep
