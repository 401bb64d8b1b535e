// One register function a topic.
#pragma once

#include <pybind11/pybind11.h>

namespace gradstep::bindings {

void register_arrays(pybind11::module_& module);
void register_session(pybind11::module_& module);
void register_evaluation(pybind11::module_& module);
void register_full_batch(pybind11::module_& module);
void register_sort(pybind11::module_& module);
void register_moments(pybind11::module_& module);
void register_info(pybind11::module_& module);

}  // namespace gradstep::bindings
