#include "gradstep/sort.hpp"

#include "arrays.hpp"
#include "module.hpp"

namespace gradstep::bindings {

void register_sort(py::module_& module) {
    module.def(
        "sort",
        [](Array<std::uint64_t> words) {
            require(words.ndim() == 1, "`words` must have one axis, got " + std::to_string(words.ndim()));
            require_aligned(words, "words");
            sort_words(words.mutable_data(), words.size());
        },
        "Sort random words in place.", py::arg("words").noconvert());
}

}  // namespace gradstep::bindings
