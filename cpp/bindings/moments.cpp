#include "gradstep/moments.hpp"

#include "arrays.hpp"
#include "gil.hpp"
#include "module.hpp"

namespace gradstep::bindings {

void register_moments(py::module_& module) {
    module.def(
        "sums_of_bytes",
        [](const py::array_t<std::uint8_t, 0>& X, int n_threads, bool mapped) {
            require(X.ndim() == 2 && (X.shape(1) <= 1 || X.strides(1) == 1),
                    "`X` must be rows of adjacent bytes");
            require(n_threads >= 1, "`n_threads` must be at least 1, got " + std::to_string(n_threads));
            Array<std::uint64_t> sums({py::ssize_t{2}, X.shape(1)});
            std::uint64_t* to = sums.mutable_data();
            const MappedRead reading = mapped ? reading_of(X) : MappedRead();
            {
                const WithoutGil no_gil;
                sums_of_bytes(X.data(), X.shape(0), X.shape(1), X.strides(0), to, n_threads);
            }
            require_read(reading);
            return sums;
        },
        "Sums of every column's bytes and of their squares, (2, d).", py::arg("X").noconvert(),
        py::arg("n_threads"), py::arg("mapped") = false);
}

}  // namespace gradstep::bindings
