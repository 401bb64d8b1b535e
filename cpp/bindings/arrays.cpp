#include "arrays.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <limits>
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

// More numbers than any machine has room for, and few enough that sums of such counts, and what kernels pad
// them to, are far from the largest index.
constexpr Index kMost = Index{1} << 48;

template <class T>
std::vector<T> copy_of(const Array<T>& values, const char* name) {
    require_aligned(values, name);
    return {values.data(), values.data() + values.size()};
}

// The same memory, which lives as long, seen by an array that nobody else can reshape.
py::array view_of(const py::array& array) {
    const std::vector<py::ssize_t> shape(array.shape(), array.shape() + array.ndim());
    const std::vector<py::ssize_t> strides(array.strides(), array.strides() + array.ndim());
    return py::array(array.dtype(), shape, strides, array.data(), array);
}

// A copy of whole numbers of 4 or 8 bytes, each of which must be one of a smaller type.
template <class To>
std::vector<To> whole_numbers_of(const py::array& given, const char* name) {
    require(given.ndim() == 1,
            std::string("`") + name + "` must have 1 dimension, got " + std::to_string(given.ndim()));
    std::vector<To> numbers;
    const auto take = [&]<class From>(const Array<From>& own) {
        require_aligned(own, name);
        numbers.resize(static_cast<std::size_t>(own.size()));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            require(
                std::in_range<To>(own.data()[i]),
                std::string("`") + name + "` has " + std::to_string(own.data()[i]) + ", which is too large");
            numbers[i] = static_cast<To>(own.data()[i]);
        }
    };
    if (py::isinstance<Array<std::int32_t>>(given))
        take(py::reinterpret_borrow<Array<std::int32_t>>(given));
    else if (py::isinstance<Array<std::int64_t>>(given))
        take(py::reinterpret_borrow<Array<std::int64_t>>(given));
    else
        throw std::invalid_argument(std::string("`") + name + "` must be C-contiguous int32 or int64, got " +
                                    std::string(py::str(given.dtype())));
    return numbers;
}

std::shared_ptr<PySparse> sparse_of(const GivenX& X) {
    const auto* sparse = std::get_if<std::shared_ptr<PySparse>>(&X);
    require(!sparse || *sparse, "`X` must be rows");
    return sparse ? *sparse : nullptr;
}

// A copy as long as kernels may read, in both types.
void statistics_of(const Array<double>& values, std::vector<double>& doubles, std::vector<float>& floats) {
    doubles.assign(values.data(), values.data() + values.size());
    doubles.resize(doubles.size() + kReadPadding);
    for (const double value : doubles) floats.push_back(static_cast<float>(value));
}

}  // namespace

void require_below(Index count, const std::vector<std::int32_t>& rows, const char* name) {
    if (rows.empty()) return;
    const auto [least, most] = std::minmax_element(rows.begin(), rows.end());
    require(*least >= 0 && *most < count, std::string("`") + name + "` must name rows below " +
                                              std::to_string(count) + ", got " +
                                              std::to_string(*least < 0 ? *least : *most));
}

PySparse::PySparse(const py::array& values, const py::array& starts, const py::array& inputs, Index d)
    : values_(view_of(values)), starts_(whole_numbers_of<Index>(starts, "starts")),
      inputs_(whole_numbers_of<std::int32_t>(inputs, "inputs")), d_(d) {
    row_type(values_);
    require(values_.ndim() == 1 && (values_.size() <= 1 || values_.strides(0) == values_.itemsize()),
            "`values` must lie one after the other");
    require_aligned(values_, "values");
    require(d >= 1 && d <= std::numeric_limits<std::int32_t>::max(),
            "`d` must be from 1 to 2**31 - 1, got " + std::to_string(d));
    require(values_.size() == static_cast<Index>(inputs_.size()), "`values` and `inputs` must be as many");
    check_rows();
}

void PySparse::check_rows() const {
    require(!starts_.empty() && starts_.front() == 0 && starts_.back() == static_cast<Index>(inputs_.size()),
            "`starts` must go from 0 to the number of elements");
    // First of all of them: what follows reads from one to the next.
    require(std::is_sorted(starts_.begin(), starts_.end()), "`starts` must not fall");
    for (std::size_t row = 0; row + 1 < starts_.size(); ++row) {
        std::int32_t least = 0;
        for (Index e = starts_[row]; e < starts_[row + 1]; ++e) {
            const std::int32_t input = inputs_[static_cast<std::size_t>(e)];
            if (input < least || input >= d_)
                throw std::invalid_argument("`inputs` must rise within row " + std::to_string(row) +
                                            " and be below " + std::to_string(d_) + ", got " +
                                            std::to_string(input));
            least = input + 1;
        }
    }
}

PyRows::PyRows(const GivenX& X, const py::array& targets, const std::optional<Array<double>>& weight,
               const Array<double>& mean, const Array<double>& inverse_scale,
               const std::optional<Array<std::int32_t>>& index, bool mapped)
    : sparse_(sparse_of(X)), X_(sparse_ ? sparse_->values() : view_of(std::get<py::array>(X))),
      type_(row_type(X_)), mapped_(mapped && !sparse_) {
    if (!sparse_) require_dense();
    if (index) take_index(*index);
    if (targets.ndim() == 1)
        take_labels(targets);
    else
        take_values(targets);
    if (weight) take_weight(*weight);
    require_shape(mean, "mean", d());
    require_shape(inverse_scale, "inverse_scale", d());
    statistics_of(mean, mean_, mean_float_);
    statistics_of(inverse_scale, inverse_scale_, inverse_scale_float_);
    if (sparse_)
        require(std::all_of(mean_.begin(), mean_.end(), [](double each) { return each == 0; }),
                "`mean` of sparse rows must be 0");
}

void PyRows::require_dense() const {
    require(X_.ndim() == 2, "`X` must have 2 dimensions, got " + std::to_string(X_.ndim()));
    require(d() >= 1, "`X` must have at least one column");
    require(d() == 1 || X_.strides(1) == X_.itemsize(), "the elements of a row of `X` must be adjacent");
    require(X_.shape(0) <= 1 || (X_.strides(0) >= 0 && X_.strides(0) % X_.itemsize() == 0),
            "the rows of `X` must not lie backwards");
    require_aligned(X_, "X");
}

MappedRead PyRows::reading() const { return mapped_ ? reading_of(X_) : MappedRead(); }

MappedRead reading_of(const py::array& X) {
    if (X.size() == 0) return {};
    const char* const first = static_cast<const char*>(X.data());
    const char* const last = first + (X.shape(0) - 1) * X.strides(0);
    return {std::min(first, last), std::max(first, last) + X.shape(1) * X.itemsize()};
}

void require_read(const MappedRead& reading) {
    if (reading.missed())
        throw RowsLost("rows of `X` are missing: the file that they are mapped from was cut");
}

void PyRows::take_index(const Array<std::int32_t>& index) {
    require(index.ndim() == 1, "`index` must have 1 dimension, got " + std::to_string(index.ndim()));
    index_ = copy_of(index, "index");
    require_below(rows_of_X(), *index_, "index");
}

void PyRows::take_labels(const py::array& targets) {
    // The name of a type takes as long to make as a prediction.
    if (!py::isinstance<Array<std::int32_t>>(targets))
        throw std::invalid_argument("`targets` with one axis must be C-contiguous int32 class indices, got " +
                                    std::string(py::str(targets.dtype())));
    const Array<std::int32_t> labels = py::reinterpret_borrow<Array<std::int32_t>>(targets);
    require_shape(labels, "targets", n());
    if (n() == 0) return;
    labels_ = copy_of(labels, "targets");
    const auto [least, most] = std::minmax_element(labels_.begin(), labels_.end());
    require(*least >= 0, "`targets` must hold class indices >= 0, got " + std::to_string(*least));
    classes_ = *most + Index{1};
}

void PyRows::take_values(const py::array& targets) {
    require(targets.ndim() == 2, "`targets` must be class indices (n,) or values (n, k), got " +
                                     std::to_string(targets.ndim()) + " axes");
    require(py::isinstance<Array<float>>(targets) || py::isinstance<Array<double>>(targets),
            "`targets` with two axes must be C-contiguous float32 or float64, got " +
                std::string(py::str(targets.dtype())));
    require_aligned(targets, "targets");
    values_ = view_of(targets);
    require(values_->shape(0) == n(),
            "`targets` must have " + std::to_string(n()) + " rows, got " + std::to_string(values_->shape(0)));
}

void PyRows::take_weight(const Array<double>& weight) {
    if (weight.ndim() == 2)
        require_shape(weight, "weight", weight.shape(0), n());
    else
        require_shape(weight, "weight", n());
    weight_ = view_of(weight);
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
    if (!labels && !py::isinstance<Array<T>>(*values_))
        throw std::invalid_argument(std::string("`targets` must be ") +
                                    (sizeof(T) == 4 ? "float32" : "float64") +
                                    " as the parameters are, got " + std::string(py::str(values_->dtype())));
    return {
        .X = X_.data(),
        .type = type_,
        .n = n(),
        .d = d(),
        .stride = !sparse_ && X_.shape(0) > 1 ? X_.strides(0) / X_.itemsize() : d(),
        .mean = mean_.data(),
        .inverse_scale = inverse_scale_.data(),
        .mean_T = mean,
        .inverse_scale_T = inverse_scale,
        .labels = labels ? labels_.data() : nullptr,
        .values = labels ? nullptr : static_cast<const T*>(values_->data()),
        .weight = weight_ ? static_cast<const double*>(weight_->data()) : nullptr,
        .weight_stride = weights_apart() ? n() : 0,
        .index = index_ ? index_->data() : nullptr,
        .starts = sparse_ ? sparse_->starts() : nullptr,
        .inputs = sparse_ ? sparse_->inputs() : nullptr,
    };
}

PyModels::PyModels(std::string isa, const Array<Index>& sizes, const Array<double>& l2, std::string loss,
                   const Array<double>& loss_numbers, std::vector<std::string> activations,
                   const Array<double>& activation_numbers, const std::string& rule,
                   const std::optional<DropoutPair>& dropout, const std::optional<Array<double>>& limits,
                   bool averages)
    : isa_(std::move(isa)), l2_(copy_of(l2, "l2")), loss_(std::move(loss)),
      loss_numbers_(copy_of(loss_numbers, "loss_numbers")), activations_(std::move(activations)),
      activation_numbers_(copy_of(activation_numbers, "activation_numbers")), averages_(averages) {
    const std::vector<std::string> usable = isas_usable();
    require(std::find(usable.begin(), usable.end(), isa_) != usable.end(),
            "instruction set '" + isa_ + "' is not usable here");
    require_shape(l2, "l2", l2.size());
    require(m() >= 1, "`l2` must have a number for each of one or more models, got none");
    take_sizes(sizes);
    const Index hidden = static_cast<Index>(sizes_.size()) - 2;
    require(static_cast<Index>(activations_.size()) == hidden,
            "`activations` must have one name for each of " + std::to_string(hidden) +
                " hidden layers, got " + std::to_string(activations_.size()));
    floats_ = named<float>(rule);
    doubles_ = named<double>(rule);
    require_shape(loss_numbers, "loss_numbers", m(), floats_.loss->numbers);
    require_shape(activation_numbers, "activation_numbers", m(), hidden);
    if (dropout) take_dropout(dropout->first, dropout->second);
    if (!limits) return;
    require_shape(*limits, "limits", 2, m());
    limits_ = copy_of(*limits, "limits");
    require(std::all_of(limits_.begin(), limits_.end(), [](double most) { return most > 0; }),
            "`limits` must be > 0");
}

void PyModels::take_dropout(const Array<std::int32_t>& limits, const Array<double>& scales) {
    require_shape(limits, "limits", m(), layers());
    require_shape(scales, "scales", m(), layers());
    drop_limits_ = copy_of(limits, "limits");
    drop_scales_ = copy_of(scales, "scales");
    // All models read the same inputs.
    for (Index model = 1; model < m(); ++model)
        require(limits.at(model, 0) == limits.at(0, 0) && scales.at(model, 0) == scales.at(0, 0),
                "`dropout` of the inputs must be the same for all models");
}

void PyModels::take_sizes(const Array<Index>& sizes) {
    require(sizes.ndim() == 1 && sizes.shape(0) >= 2, "`sizes` must hold at least inputs and outputs");
    sizes_ = copy_of(sizes, "sizes");
    require(*std::min_element(sizes_.begin(), sizes_.end()) >= 1, "`sizes` must be >= 1");
    for (std::size_t layer = 0; layer + 1 < sizes_.size(); ++layer) {
        const Index out = sizes_[layer + 1], weights = checked_product(sizes_[layer], out);
        if (weights > kMost - parameters_ || parameters_ + weights > kMost - out)
            throw OutOfMemory("a network with layers of " + std::to_string(sizes_[layer]) + " and " +
                              std::to_string(out) + " units cannot be addressed");
        offsets_.push_back(parameters_);
        offsets_.push_back(parameters_ + weights);
        parameters_ += weights + out;
    }
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
            .drop_limits = drops() ? drop_limits_.data() : nullptr,
            .drop_scales = drops() ? drop_scales_.data() : nullptr,
            .limits =
                limits_.empty() ? GradientLimits{} : GradientLimits{limits_.data(), limits_.data() + m()},
            .averages = averages_,
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
    py::class_<PySparse, std::shared_ptr<PySparse>>(
        module, "SparseX", "Sparse rows: elements, where those of a row begin, inputs.")
        .def(py::init<const py::array&, const py::array&, const py::array&, Index>(),
             py::arg("values").noconvert(), py::arg("starts").noconvert(), py::arg("inputs").noconvert(),
             py::arg("d"));
    py::class_<PyRows, std::shared_ptr<PyRows>>(
        module, "Rows", "Rows of a data set, targets, weights, mean and inverse scale.")
        .def(py::init<const GivenX&, const py::array&, const std::optional<Array<double>>&,
                      const Array<double>&, const Array<double>&, const std::optional<Array<std::int32_t>>&,
                      bool>(),
             py::arg("X").noconvert(), py::arg("targets").noconvert(), py::arg("weight").noconvert(),
             py::arg("mean").noconvert(), py::arg("inverse_scale").noconvert(),
             py::arg("index").noconvert() = py::none(), py::arg("mapped") = false);
    py::register_exception<RowsLost>(module, "RowsLostError", PyExc_OSError);
    py::class_<PyModels, std::shared_ptr<PyModels>>(module, "Models",
                                                    "What m models have in common, and the numbers of each.")
        .def(
            py::init<std::string, const Array<Index>&, const Array<double>&, std::string,
                     const Array<double>&, std::vector<std::string>, const Array<double>&, const std::string&,
                     const std::optional<DropoutPair>&, const std::optional<Array<double>>&, bool>(),
            py::arg("isa"), py::arg("sizes").noconvert(), py::arg("l2").noconvert(), py::arg("loss"),
            py::arg("loss_numbers").noconvert(), py::arg("activations"),
            py::arg("activation_numbers").noconvert(), py::arg("rule"),
            py::arg("dropout").noconvert() = py::none(), py::arg("limits").noconvert() = py::none(),
            py::arg("averages") = false);
}

}  // namespace gradstep::bindings
