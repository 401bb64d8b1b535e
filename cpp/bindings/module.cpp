#include "module.hpp"

PYBIND11_MODULE(_core_of_main, module, pybind11::mod_gil_not_used()) {
    module.doc() = "The compiled core of gradstep: thin bindings, one file a topic.";
    gradstep::bindings::register_arrays(module);
    gradstep::bindings::register_session(module);
    gradstep::bindings::register_evaluation(module);
    gradstep::bindings::register_full_batch(module);
    gradstep::bindings::register_sort(module);
    gradstep::bindings::register_moments(module);
    gradstep::bindings::register_info(module);
}

// What an import of _core calls. In a sub-interpreter pybind11 would wait for ever for the main one's lock.
PYBIND11_PLUGIN_IMPL(_core) {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__core_of_main();
    PyErr_SetString(PyExc_ImportError,
                    "the compiled core works in the main interpreter alone, not in a sub-interpreter");
    return nullptr;
}
