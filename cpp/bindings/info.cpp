#include <pybind11/stl.h>

#include "gil.hpp"
#include "gradstep/build_config.hpp"
#include "gradstep/dispatch.hpp"
#include "gradstep/peak.hpp"
#include "module.hpp"

namespace gradstep::bindings {

namespace py = pybind11;

namespace {

// Every loss with its kind of targets and its count of numbers, every activation with its count, every rule
// with its slots and its count, as the kernels' own lists have them.
py::dict names() {
    const Kernels<float>& kernels = kernels_of<float>("baseline");
    py::dict losses, activations, rules;
    for (const auto& loss : kernels.losses)
        losses[loss.name] =
            py::make_tuple(loss.targets == TargetKind::labels ? "labels" : "values", loss.numbers);
    for (const auto& activation : kernels.activations) activations[activation.name] = activation.numbers;
    for (const auto& rule : kernels.rules) rules[rule.name] = py::make_tuple(rule.slots, rule.numbers);
    py::dict all;
    all["losses"] = losses;
    all["activations"] = activations;
    all["rules"] = rules;
    return all;
}

}  // namespace

void register_info(py::module_& module) {
    module.def("names", &names, "Losses, activations and rules, and what each of them takes.");
    module.def("isas", &isas_usable, "Instruction sets that this machine can run, best first.");
    module.def(
        "build_config",
        [] {
            py::dict config;
            config["compiler"] = build_config::compiler;
            config["flags"] = build_config::flags;
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
                const WithoutGil no_gil;
                speeds = measure(kernels_of<float>(isa), n_threads);
            }
            return py::make_tuple(speeds.n_threads, speeds.all.operations, speeds.one.operations,
                                  speeds.all.bytes, speeds.one.bytes);
        },
        "Threads used; operations a second of all of them and of one; bytes read a second, likewise.",
        py::arg("isa"), py::arg("n_threads"));
}

}  // namespace gradstep::bindings
