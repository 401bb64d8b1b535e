#include "module.hpp"

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
    module.doc() = "The compiled core of gradstep: thin bindings, one file a topic.";
    gradstep::bindings::register_arrays(module);
    gradstep::bindings::register_session(module);
    gradstep::bindings::register_evaluation(module);
    gradstep::bindings::register_sort(module);
    gradstep::bindings::register_moments(module);
    gradstep::bindings::register_info(module);
}
