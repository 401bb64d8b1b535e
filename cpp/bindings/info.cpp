#include <pybind11/stl.h>

#include "gradstep/build_config.hpp"
#include "gradstep/dispatch.hpp"
#include "gradstep/measure.hpp"
#include "gradstep/parallel.hpp"
#include "module.hpp"

namespace gradstep::bindings {

namespace py = pybind11;

void register_info(py::module_& module) {
    module.def("isas", &isas_usable, "Instruction sets that this machine can run, best first.");
    module.def(
        "build_config",
        [] {
            py::dict config;
            config["compiler"] = build_config::compiler;
            config["flags"] = build_config::flags;
            config["openmp"] = build_config::openmp;
            config["threading"] = threading();
            config["build_type"] = build_config::build_type;
            config["isas_built"] = isas_built();
            return config;
        },
        "How this core was built.");
    module.def(
        "measure",
        [](const std::string& isa, int n_threads) {
            Speeds speeds;
            {
                py::gil_scoped_release no_gil;
                speeds = measure(kernels_of<float>(isa), n_threads);
            }
            return py::make_tuple(speeds.n_threads, speeds.all.operations, speeds.one.operations,
                                  speeds.all.bytes, speeds.one.bytes);
        },
        "Threads used; operations a second of all of them and of one; bytes read a second, likewise.",
        py::arg("isa"), py::arg("n_threads"));
}

}  // namespace gradstep::bindings
