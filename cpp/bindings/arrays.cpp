#include "arrays.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <type_traits>

#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"
#include "module.hpp"

namespace gradstep::bindings {
namespace {

RowType row_type(const py::array& X) {
    if (py::isinstance<py::array_t<std::uint8_t>>(X)) return RowType::uint8;
    if (py::isinstance<py::array_t<float>>(X)) return RowType::float32;
    if (py::isinstance<py::array_t<double>>(X)) return RowType::float64;
    throw std::invalid_argument("`X` must be uint8, float32 or float64 in the machine's byte order, got " +
                                std::string(py::str(X.dtype())));
}

Loss loss_of(const std::string& name) {
    if (name == "softmax") return Loss::softmax;
    if (name == "sigmoid") return Loss::sigmoid;
    throw std::invalid_argument("`loss` must be 'softmax' or 'sigmoid', got '" + name + "'");
}

// A copy as long as kernels may read, in both types.
void statistics_of(const Array<double>& values, std::vector<double>& doubles, std::vector<float>& floats) {
    doubles.assign(values.data(), values.data() + values.size());
    doubles.resize(doubles.size() + kBehind);
    for (const double value : doubles) floats.push_back(static_cast<float>(value));
}

}  // namespace

PyRows::PyRows(py::array X, Array<std::int32_t> y, std::optional<Array<double>> weight,
               const Array<double>& mean, const Array<double>& inverse_scale)
    : X_(std::move(X)), type_(row_type(X_)), y_(std::move(y)), weight_(std::move(weight)) {
    require(X_.ndim() == 2, "`X` must have 2 dimensions, got " + std::to_string(X_.ndim()));
    require(d() >= 1, "`X` must have at least one column");
    require(d() == 1 || X_.strides(1) == X_.itemsize(), "the elements of a row of `X` must be adjacent");
    require(n() <= 1 || (X_.strides(0) >= 0 && X_.strides(0) % X_.itemsize() == 0),
            "the rows of `X` must not lie backwards");
    require_shape(y_, "y", n());
    if (weight_ && weights_apart())
        require_shape(*weight_, "weight", weight_->shape(0), n());
    else if (weight_)
        require_shape(*weight_, "weight", n());
    require_shape(mean, "mean", d());
    require_shape(inverse_scale, "inverse_scale", d());
    if (n() > 0) {
        const auto [least, most] = std::minmax_element(y_.data(), y_.data() + n());
        require(*least >= 0, "`y` must hold class indices >= 0, got " + std::to_string(*least));
        classes_ = *most + Index{1};
    }
    statistics_of(mean, mean_, mean_float_);
    statistics_of(inverse_scale, inverse_scale_, inverse_scale_float_);
}

template <class T>
Rows<T> PyRows::as() const {
    const T *mean = nullptr, *inverse_scale = nullptr;
    if constexpr (std::is_same_v<T, float>) {
        mean = mean_float_.data();
        inverse_scale = inverse_scale_float_.data();
    } else {
        mean = mean_.data();
        inverse_scale = inverse_scale_.data();
    }
    const Index stride = n() > 1 ? X_.strides(0) / X_.itemsize() : d();
    return {X_.data(),
            type_,
            n(),
            d(),
            stride,
            mean_.data(),
            inverse_scale_.data(),
            mean,
            inverse_scale,
            y_.data(),
            weight_ ? weight_->data() : nullptr,
            weights_apart() ? n() : 0};
}

PyModels::PyModels(std::string isa, Array<Index> sizes, Array<double> l2, const std::string& loss)
    : isa_(std::move(isa)), l2_(std::move(l2)), loss_(loss_of(loss)) {
    const std::vector<std::string> usable = isas_usable();
    require(std::find(usable.begin(), usable.end(), isa_) != usable.end(),
            "instruction set '" + isa_ + "' is not usable here");
    require(sizes.ndim() == 1 && sizes.shape(0) >= 2, "`sizes` must hold at least inputs and outputs");
    require_shape(l2_, "l2", l2_.size());
    sizes_.assign(sizes.data(), sizes.data() + sizes.size());
    require(*std::min_element(sizes_.begin(), sizes_.end()) >= 1, "`sizes` must be >= 1");
    for (std::size_t layer = 0; layer + 1 < sizes_.size(); ++layer) {
        const Index weights = checked_product(sizes_[layer], sizes_[layer + 1]);
        offsets_.push_back(parameters_);
        offsets_.push_back(parameters_ + weights);
        parameters_ += weights + sizes_[layer + 1];
    }
}

template <class T>
Models<T> PyModels::as() const {
    const Layers layers{static_cast<Index>(sizes_.size()) - 1, sizes_.data(), offsets_.data(), parameters_};
    return {&kernels_of<T>(isa_), layers, m(), l2_.data(), loss_};
}

void require_fit(const PyModels& models, const PyRows& rows) {
    require(rows.d() == models.inputs(),
            "`X` must have " + std::to_string(models.inputs()) + " columns, got " + std::to_string(rows.d()));
    require(rows.classes() <= models.outputs(), "`y` must be below " + std::to_string(models.outputs()) +
                                                    ", got " + std::to_string(rows.classes() - 1));
    if (rows.weights_apart() && rows.weighted_models() != models.m())
        throw std::invalid_argument("`weight` must have a row for each of " + std::to_string(models.m()) +
                                    " models, got " + std::to_string(rows.weighted_models()));
}

template Rows<float> PyRows::as<float>() const;
template Rows<double> PyRows::as<double>() const;
template Models<float> PyModels::as<float>() const;
template Models<double> PyModels::as<double>() const;

void register_arrays(py::module_& module) {
    py::class_<PyRows>(module, "Rows", "Rows of a data set, labels, weights, mean and inverse scale.")
        .def(py::init<py::array, Array<std::int32_t>, std::optional<Array<double>>, Array<double>,
                      Array<double>>(),
             py::arg("X").noconvert(), py::arg("y").noconvert(), py::arg("weight").noconvert(),
             py::arg("mean").noconvert(), py::arg("inverse_scale").noconvert());
    py::class_<PyModels>(module, "Models", "Instruction set, layer sizes, l2 (m,) and loss of m models.")
        .def(py::init<std::string, Array<Index>, Array<double>, const std::string&>(), py::arg("isa"),
             py::arg("sizes").noconvert(), py::arg("l2").noconvert(), py::arg("loss"));
}

}  // namespace gradstep::bindings
