#include <pybind11/stl.h>

#include <exception>

#include "arrays.hpp"
#include "module.hpp"

namespace gradstep::bindings {
namespace {

// Asks Python whether to stop. Runs on the calling thread, inside the parallel region: what Python raises
// is kept until all threads are home.
struct Question {
    py::object should_stop;
    std::exception_ptr raised;

    static bool ask(void* context) noexcept {
        Question& question = *static_cast<Question*>(context);
        py::gil_scoped_acquire gil;
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            return question.should_stop().cast<bool>();
        } catch (...) {
            question.raised = std::current_exception();
            return true;
        }
    }
};

void require_stretch(const PyRows& rows, const Array<std::int32_t>& which, const Array<Index>& starts) {
    require(starts.ndim() == 1 && starts.size() >= 1 && starts.data()[0] == 0, "`starts` must begin with 0");
    for (py::ssize_t t = 1; t < starts.size(); ++t)
        require(starts.data()[t] > starts.data()[t - 1], "`starts` must rise");
    require_shape(which, "which", starts.data()[starts.size() - 1]);
    for (py::ssize_t i = 0; i < which.size(); ++i)
        require(which.data()[i] >= 0 && which.data()[i] < rows.n(), "`which` must name rows below " +
                                                                        std::to_string(rows.n()) + ", got " +
                                                                        std::to_string(which.data()[i]));
}

template <class T>
void train_as(const PyModels& py_models, const PyRows& py_rows, const Array<std::int32_t>& which,
              const Array<Index>& starts, const Array<double>& learning_rate, Array<T> parameters,
              Array<Index> updates, Array<bool> finite, int n_threads, py::object should_stop) {
    require_fit(py_models, py_rows);
    require_stretch(py_rows, which, starts);
    const Index m = py_models.m(), count = starts.size() - 1;
    require_shape(learning_rate, "learning_rate", m, count);
    require_shape(parameters, "parameters", m, py_models.parameters());
    require_shape(updates, "updates", m);
    require_shape(finite, "finite", m);
    const Models<T> models = py_models.as<T>();
    const Rows<T> rows = py_rows.as<T>();
    const Stretch stretch{count, which.data(), starts.data(), learning_rate.data()};
    T* parameters_at = parameters.mutable_data();
    Index* updates_at = updates.mutable_data();
    std::uint8_t* finite_at = reinterpret_cast<std::uint8_t*>(finite.mutable_data());
    Question question{std::move(should_stop), nullptr};
    {
        py::gil_scoped_release no_gil;
        train(models, rows, stretch, parameters_at, updates_at, finite_at, n_threads,
              Poll{Question::ask, &question});
    }
    if (question.raised) std::rethrow_exception(question.raised);
}

template <class T>
void define_train(py::module_& module) {
    module.def("train", &train_as<T>, "Do consecutive updates in place on parameters, updates and finite.",
               py::arg("models"), py::arg("rows"), py::arg("which").noconvert(),
               py::arg("starts").noconvert(), py::arg("learning_rate").noconvert(),
               py::arg("parameters").noconvert(), py::arg("updates").noconvert(),
               py::arg("finite").noconvert(), py::arg("n_threads"), py::arg("should_stop"));
}

}  // namespace

void register_training(py::module_& module) {
    define_train<float>(module);
    define_train<double>(module);
}

}  // namespace gradstep::bindings
