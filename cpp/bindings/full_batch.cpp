#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <variant>

#include "arrays.hpp"
#include "exclusive_use.hpp"
#include "gil.hpp"
#include "module.hpp"

namespace gradstep::bindings {
namespace {

// All rows as one batch, of either type, with the Python objects that its pointers lead into.
class PyFullBatch {
public:
    PyFullBatch(std::shared_ptr<PyModels> models, std::shared_ptr<PyRows> rows, bool doubles, int n_threads)
        : models_(std::move(models)), rows_(std::move(rows)) {
        require_fit(*models_, *rows_);
        require(rows_->n() >= 1, "the gradient needs at least one row");
        if (doubles)
            batch_ =
                std::make_unique<FullBatch<double>>(models_->as<double>(), rows_->as<double>(), n_threads);
        else
            batch_ = std::make_unique<FullBatch<float>>(models_->as<float>(), rows_->as<float>(), n_threads);
    }

    // Loss, cost and hits (3, m), and the gradient (m, P); NaN for models that are not active.
    py::tuple loss_and_gradient(const py::array& parameters, const std::optional<Array<bool>>& active) {
        const ExclusiveUse use(taken_);
        const Index m = models_->m();
        if (active) require_shape(*active, "active", m);
        std::vector<std::uint8_t> asked(static_cast<std::size_t>(m), 1);
        if (active) std::copy_n(active->data(), m, asked.begin());
        constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
        Array<double> values({Index{3}, m});
        std::fill_n(values.mutable_data(), values.size(), kNone);
        double* at = values.mutable_data();
        const Metrics metrics{at, at + m, at + 2 * m};
        py::array gradient;
        const MappedRead reading = rows_->reading();
        std::visit(
            [&]<class T>(const std::unique_ptr<FullBatch<T>>& batch) {
                require(py::isinstance<Array<T>>(parameters),
                        "`parameters` must be C-contiguous and of the batch's type");
                const Array<T> own = py::reinterpret_borrow<Array<T>>(parameters);
                require_shape(own, "parameters", m, models_->parameters());
                Array<T> to({m, models_->parameters()});
                for (Index model = 0; model < m; ++model)
                    if (!asked[static_cast<std::size_t>(model)])
                        std::fill_n(to.mutable_data() + model * models_->parameters(), models_->parameters(),
                                    static_cast<T>(kNone));
                const T* parameters_at = own.data();
                T* to_at = to.mutable_data();
                {
                    const WithoutGil no_gil;
                    batch->loss_and_gradient(parameters_at, asked.data(), metrics, to_at);
                }
                gradient = std::move(to);
            },
            batch_);
        require_read(reading);
        return py::make_tuple(values, gradient);
    }

private:
    const std::shared_ptr<PyModels> models_;
    const std::shared_ptr<PyRows> rows_;
    std::atomic<bool> taken_{false};
    std::variant<std::unique_ptr<FullBatch<float>>, std::unique_ptr<FullBatch<double>>> batch_;
};

}  // namespace

void register_full_batch(py::module_& module) {
    py::class_<PyFullBatch, std::shared_ptr<PyFullBatch>>(module, "FullBatch",
                                                          "All rows as one batch, asked again and again.")
        .def(py::init<std::shared_ptr<PyModels>, std::shared_ptr<PyRows>, bool, int>(), py::arg("models"),
             py::arg("rows"), py::arg("doubles"), py::arg("n_threads"))
        .def("loss_and_gradient", of_made(&PyFullBatch::loss_and_gradient),
             "Loss, cost and hits (3, m), and the gradient of the cost (m, P); NaN of models not asked for.",
             py::arg("parameters"), py::arg("active").noconvert() = py::none());
}

}  // namespace gradstep::bindings
