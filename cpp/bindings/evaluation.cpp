#include <pybind11/stl.h>

#include "arrays.hpp"
#include "gil.hpp"
#include "module.hpp"

namespace gradstep::bindings {
namespace {

template <class T>
py::tuple evaluate_as(const std::shared_ptr<PyModels>& py_models, const std::shared_ptr<PyRows>& py_rows,
                      const Array<T>& parameters, int n_threads, std::optional<Array<double>> sums,
                      Index before) {
    require_fit(*py_models, *py_rows);
    require_shape(parameters, "parameters", py_models->m(), py_models->parameters());
    if (sums) require_shape(*sums, "sums", 2, py_models->m());
    require(before >= 0 && before <= Index{1} << 62,
            "`before` must be from 0 to 2**62, got " + std::to_string(before));
    const Models<T> models = py_models->as<T>();
    const Rows<T> rows = py_rows->as<T>();
    EarlierPieces earlier{.rows = before};
    if (sums) {
        earlier.loss = sums->mutable_data();
        earlier.hits = earlier.loss + models.m;
    }
    Array<double> loss(models.m), cost(models.m), hits(models.m);
    const Metrics metrics{loss.mutable_data(), cost.mutable_data(), hits.mutable_data()};
    const T* parameters_at = parameters.data();
    const MappedRead reading = py_rows->reading();
    {
        const WithoutGil no_gil;
        evaluate(models, rows, parameters_at, metrics, n_threads, earlier);
    }
    require_read(reading);
    return py::make_tuple(loss, cost, hits);
}

template <class T>
Array<T> scores_as(const std::shared_ptr<PyModels>& py_models, const std::shared_ptr<PyRows>& py_rows,
                   const Array<T>& parameters, int n_threads) {
    require_inputs(*py_models, *py_rows);
    require_shape(parameters, "parameters", py_models->m(), py_models->parameters());
    const Models<T> models = py_models->as<T>();
    const Rows<T> rows = py_rows->as<T>();
    Array<T> result({models.m, rows.n, py_models->outputs()});
    const T* parameters_at = parameters.data();
    T* result_at = result.mutable_data();
    const MappedRead reading = py_rows->reading();
    {
        const WithoutGil no_gil;
        scores(models, rows, parameters_at, result_at, n_threads);
    }
    require_read(reading);
    return result;
}

template <class T>
void define(py::module_& module) {
    const auto define_one = [&](const char* name, auto function, const char* doc, auto... more) {
        module.def(name, function, doc, py::arg("models"), py::arg("rows"), py::arg("parameters").noconvert(),
                   py::arg("n_threads"), more...);
    };
    define_one(
        "evaluate", &evaluate_as<T>,
        "Loss, cost and hits, each (m,): means over these rows and those before, to whose sums of loss "
        "and hits (2, m) theirs are added.",
        py::arg("sums").noconvert() = py::none(), py::arg("before") = 0);
    define_one("scores", &scores_as<T>, "The last layer's output of every row, (m, n, k).");
}

}  // namespace

void register_evaluation(py::module_& module) {
    module.attr("chunk_rows") = kChunkRows;
    define<float>(module);
    define<double>(module);
}

}  // namespace gradstep::bindings
