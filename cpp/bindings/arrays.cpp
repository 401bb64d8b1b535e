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

// The entry of a name; the error tells which names there are.
template <class Entry>
const Entry* entry_of(List<Entry> list, const char* what, const std::string& name) {
    if (const Entry* entry = find(list, name)) return entry;
    std::string names;
    for (const Entry& entry : list) names += (names.empty() ? "'" : ", '") + std::string(entry.name) + "'";
    throw std::invalid_argument(std::string("`") + what + "` must be one of " + names + ", got '" + name +
                                "'");
}

// A copy as long as kernels may read, in both types.
void statistics_of(const Array<double>& values, std::vector<double>& doubles, std::vector<float>& floats) {
    doubles.assign(values.data(), values.data() + values.size());
    doubles.resize(doubles.size() + kReadPadding);
    for (const double value : doubles) floats.push_back(static_cast<float>(value));
}

}  // namespace

PyRows::PyRows(py::array X, py::array targets, std::optional<Array<double>> weight, const Array<double>& mean,
               const Array<double>& inverse_scale, std::optional<Array<std::int32_t>> index)
    : X_(std::move(X)), type_(row_type(X_)), targets_(std::move(targets)), weight_(std::move(weight)),
      index_(std::move(index)) {
    require(X_.ndim() == 2, "`X` must have 2 dimensions, got " + std::to_string(X_.ndim()));
    require(d() >= 1, "`X` must have at least one column");
    require(d() == 1 || X_.strides(1) == X_.itemsize(), "the elements of a row of `X` must be adjacent");
    require(X_.shape(0) <= 1 || (X_.strides(0) >= 0 && X_.strides(0) % X_.itemsize() == 0),
            "the rows of `X` must not lie backwards");
    if (index_) check_index();
    if (targets_.ndim() == 1)
        take_labels();
    else
        take_values();
    if (weight_ && weights_apart())
        require_shape(*weight_, "weight", weight_->shape(0), n());
    else if (weight_)
        require_shape(*weight_, "weight", n());
    require_shape(mean, "mean", d());
    require_shape(inverse_scale, "inverse_scale", d());
    statistics_of(mean, mean_, mean_float_);
    statistics_of(inverse_scale, inverse_scale_, inverse_scale_float_);
}

void PyRows::check_index() const {
    require(index_->ndim() == 1, "`index` must have 1 dimension, got " + std::to_string(index_->ndim()));
    if (index_->size() == 0) return;
    const auto [least, most] = std::minmax_element(index_->data(), index_->data() + index_->size());
    require(*least >= 0 && *most < X_.shape(0), "`index` must name rows below " +
                                                    std::to_string(X_.shape(0)) + ", got " +
                                                    std::to_string(*least < 0 ? *least : *most));
}

void PyRows::take_labels() {
    require(py::isinstance<Array<std::int32_t>>(targets_),
            "`targets` with one axis must be C-contiguous int32 class indices, got " +
                std::string(py::str(targets_.dtype())));
    const Array<std::int32_t> labels = py::reinterpret_borrow<Array<std::int32_t>>(targets_);
    require_shape(labels, "targets", n());
    if (n() == 0) return;
    const auto [least, most] = std::minmax_element(labels.data(), labels.data() + n());
    require(*least >= 0, "`targets` must hold class indices >= 0, got " + std::to_string(*least));
    classes_ = *most + Index{1};
}

void PyRows::take_values() const {
    require(targets_.ndim() == 2, "`targets` must be class indices (n,) or values (n, k), got " +
                                      std::to_string(targets_.ndim()) + " axes");
    require(py::isinstance<Array<float>>(targets_) || py::isinstance<Array<double>>(targets_),
            "`targets` with two axes must be C-contiguous float32 or float64, got " +
                std::string(py::str(targets_.dtype())));
    require(targets_.shape(0) == n(),
            "`targets` must have " + std::to_string(n()) + " rows, got " + std::to_string(targets_.shape(0)));
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
    const bool labels = target_kind() == TargetKind::labels;
    if (!labels && !py::isinstance<Array<T>>(targets_))
        throw std::invalid_argument(std::string("`targets` must be ") +
                                    (sizeof(T) == 4 ? "float32" : "float64") +
                                    " as the parameters are, got " + std::string(py::str(targets_.dtype())));
    return {
        .X = X_.data(),
        .type = type_,
        .n = n(),
        .d = d(),
        .stride = X_.shape(0) > 1 ? X_.strides(0) / X_.itemsize() : d(),
        .mean = mean_.data(),
        .inverse_scale = inverse_scale_.data(),
        .mean_T = mean,
        .inverse_scale_T = inverse_scale,
        .labels = labels ? static_cast<const std::int32_t*>(targets_.data()) : nullptr,
        .values = labels ? nullptr : static_cast<const T*>(targets_.data()),
        .weight = weight_ ? weight_->data() : nullptr,
        .weight_stride = weights_apart() ? n() : 0,
        .index = index_ ? index_->data() : nullptr,
    };
}

PyModels::PyModels(std::string isa, const Array<Index>& sizes, Array<double> l2, std::string loss,
                   Array<double> loss_numbers, std::vector<std::string> activations,
                   Array<double> activation_numbers, std::string rule)
    : isa_(std::move(isa)), l2_(std::move(l2)), loss_(std::move(loss)),
      loss_numbers_(std::move(loss_numbers)), activations_(std::move(activations)),
      activation_numbers_(std::move(activation_numbers)) {
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
    const Index hidden = static_cast<Index>(sizes_.size()) - 2;
    require(static_cast<Index>(activations_.size()) == hidden,
            "`activations` must have one name for each of " + std::to_string(hidden) +
                " hidden layers, got " + std::to_string(activations_.size()));
    floats_ = named<float>(rule);
    doubles_ = named<double>(rule);
    require_shape(loss_numbers_, "loss_numbers", m(), floats_.loss->numbers);
    require_shape(activation_numbers_, "activation_numbers", m(), hidden);
}

template <class T>
PyModels::Named<T> PyModels::named(const std::string& rule) const {
    const Kernels<T>& kernels = kernels_of<T>(isa_);
    Named<T> named;
    named.loss = entry_of(kernels.losses, "loss", loss_);
    for (const std::string& name : activations_)
        named.activations.push_back(entry_of(kernels.activations, "activations", name));
    named.rule = entry_of(kernels.rules, "rule", rule);
    return named;
}

template <class T>
Models<T> PyModels::as() const {
    const auto models = [this](const Named<T>& named) {
        return Models<T>{
            .kernels = &kernels_of<T>(isa_),
            .layers = {static_cast<Index>(sizes_.size()) - 1, sizes_.data(), offsets_.data(), parameters_},
            .m = m(),
            .l2 = l2_.data(),
            .loss = named.loss,
            .loss_numbers = loss_numbers_.data(),
            .activations = named.activations.data(),
            .activation_numbers = activation_numbers_.data(),
            .rule = named.rule,
        };
    };
    if constexpr (std::is_same_v<T, float>)
        return models(floats_);
    else
        return models(doubles_);
}

void require_inputs(const PyModels& models, const PyRows& rows) {
    require(rows.d() == models.inputs(),
            "`X` must have " + std::to_string(models.inputs()) + " columns, got " + std::to_string(rows.d()));
}

void require_fit(const PyModels& models, const PyRows& rows) {
    require_inputs(models, rows);
    const bool labels = models.target_kind() == TargetKind::labels;
    require(rows.target_kind() == models.target_kind(),
            "`targets` of the loss '" + models.loss() + "' must be " +
                (labels ? "class indices (n,) int32, got values" : "values (n, k), got class indices"));
    if (labels)
        require(rows.classes() <= models.outputs(), "`targets` must be below " +
                                                        std::to_string(models.outputs()) + ", got " +
                                                        std::to_string(rows.classes() - 1));
    else
        require(rows.values() == models.outputs(), "`targets` must have " + std::to_string(models.outputs()) +
                                                       " columns, got " + std::to_string(rows.values()));
    if (rows.weights_apart() && rows.weighted_models() != models.m())
        throw std::invalid_argument("`weight` must have a row for each of " + std::to_string(models.m()) +
                                    " models, got " + std::to_string(rows.weighted_models()));
}

template Rows<float> PyRows::as<float>() const;
template Rows<double> PyRows::as<double>() const;
template Models<float> PyModels::as<float>() const;
template Models<double> PyModels::as<double>() const;

void register_arrays(py::module_& module) {
    py::class_<PyRows>(module, "Rows", "Rows of a data set, targets, weights, mean and inverse scale.")
        .def(py::init<py::array, py::array, std::optional<Array<double>>, Array<double>, Array<double>,
                      std::optional<Array<std::int32_t>>>(),
             py::arg("X").noconvert(), py::arg("targets").noconvert(), py::arg("weight").noconvert(),
             py::arg("mean").noconvert(), py::arg("inverse_scale").noconvert(),
             py::arg("index").noconvert() = py::none());
    py::class_<PyModels>(module, "Models", "What m models have in common, and the numbers of each.")
        .def(py::init<std::string, Array<Index>, Array<double>, std::string, Array<double>,
                      std::vector<std::string>, Array<double>, std::string>(),
             py::arg("isa"), py::arg("sizes").noconvert(), py::arg("l2").noconvert(), py::arg("loss"),
             py::arg("loss_numbers").noconvert(), py::arg("activations"),
             py::arg("activation_numbers").noconvert(), py::arg("rule"));
}

}  // namespace gradstep::bindings
