// Every kind of array that crosses the border, named once, and the checks on its way in. A wrong dtype
// or layout is an error here, never a hidden copy; gradstep.backends.cpp prepares what is needed. What has
// been checked stays so: whole numbers that kernels go by are copied, and of rows no more is kept than where
// they lie.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gradstep/core.hpp"
#include "gradstep/mapped.hpp"

namespace gradstep::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline void require(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

inline void require_aligned(const py::array& array, const char* name) {
    require((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0,
            std::string("`") + name + "` must be aligned in memory");
}

template <class T, class... Sizes>
void require_shape(const Array<T>& array, const char* name, Sizes... sizes) {
    const Index wanted[] = {static_cast<Index>(sizes)...};
    constexpr py::ssize_t axes = sizeof...(sizes);
    bool fits = array.ndim() == axes;
    for (py::ssize_t axis = 0; fits && axis < axes; ++axis) fits = array.shape(axis) == wanted[axis];
    if (fits) return require_aligned(array, name);
    std::string message = std::string("`") + name + "` must have shape (", given;
    for (const Index size : wanted) message += std::to_string(size) + ",";
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) given += std::to_string(array.shape(axis)) + ",";
    throw std::invalid_argument(message + "), got (" + given + ")");
}

// Throws unless all of these are rows of so many.
void require_below(Index count, const std::vector<std::int32_t>& rows, const char* name);

// A method whose object must have been made by its constructor: a bare __new__ makes one of nothing.
template <class C, class Result, class... Arguments>
auto of_made(Result (C::*method)(Arguments...)) {
    return [method](const std::shared_ptr<C>& self, Arguments... arguments) {
        return ((*self).*method)(std::forward<Arguments>(arguments)...);
    };
}

class RowsLost : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Sparse rows (rows, d): the elements that are told of, one row after the other, and copies of where those of
// each row begin and which input each one is of, ascending within a row.
class PySparse {
public:
    PySparse(const py::array& values, const py::array& starts, const py::array& inputs, Index d);

    const py::array& values() const { return values_; }
    const Index* starts() const { return starts_.data(); }
    const std::int32_t* inputs() const { return inputs_.data(); }
    Index rows() const { return static_cast<Index>(starts_.size()) - 1; }
    Index d() const { return d_; }

private:
    void check_rows() const;

    py::array values_;
    std::vector<Index> starts_;
    std::vector<std::int32_t> inputs_;
    Index d_;
};

using GivenX = std::variant<py::array, std::shared_ptr<PySparse>>;

// Rows of a data set with their arrays kept alive, and mean and scale rounded to both types.
class PyRows {
public:
    // `targets` are class indices (n,) int32, or values (n, k) of the arithmetic's type; `index` (n,) are the
    // rows of X that they belong to, all by default.
    PyRows(const GivenX& X, const py::array& targets, const std::optional<Array<double>>& weight,
           const Array<double>& mean, const Array<double>& inverse_scale,
           const std::optional<Array<std::int32_t>>& index, bool mapped);

    // Throws for values of another type.
    template <class T>
    Rows<T> as() const;

    // X must be read while this lives: it may be a memory map, whose file may be cut.
    MappedRead reading() const;

    Index n() const { return index_ ? static_cast<Index>(index_->size()) : rows_of_X(); }
    Index d() const { return sparse_ ? sparse_->d() : X_.shape(1); }
    TargetKind target_kind() const { return values_ ? TargetKind::values : TargetKind::labels; }
    Index classes() const { return classes_; }           // of labels
    Index values() const { return values_->shape(1); }  // of a row
    bool weights_apart() const { return weight_ && weight_->ndim() == 2; }
    Index weighted_models() const { return weight_->shape(0); }

private:
    Index rows_of_X() const { return sparse_ ? sparse_->rows() : X_.shape(0); }
    void require_dense() const;
    void take_index(const Array<std::int32_t>& index);
    void take_labels(const py::array& labels);
    void take_values(const py::array& values);
    void take_weight(const Array<double>& weight);

    std::shared_ptr<PySparse> sparse_;
    py::array X_;  // of sparse rows their elements
    RowType type_;
    bool mapped_;
    std::vector<std::int32_t> labels_;  // or else
    std::optional<py::array> values_;
    std::optional<py::array> weight_;
    std::optional<std::vector<std::int32_t>> index_;
    std::vector<double> mean_;
    std::vector<double> inverse_scale_;
    std::vector<float> mean_float_;
    std::vector<float> inverse_scale_float_;
    Index classes_ = 0;
};

// Limits and scales of dropout.
using DropoutPair = std::pair<Array<std::int32_t>, Array<double>>;

// What m models have in common, and their own numbers.
class PyModels {
public:
    PyModels(std::string isa, const Array<Index>& sizes, const Array<double>& l2, std::string loss,
             const Array<double>& loss_numbers, std::vector<std::string> activations,
             const Array<double>& activation_numbers, const std::string& rule,
             const std::optional<DropoutPair>& dropout, const std::optional<Array<double>>& limits,
             bool averages);

    template <class T>
    Models<T> as() const;

    Index m() const { return static_cast<Index>(l2_.size()); }
    Index parameters() const { return parameters_; }
    Index inputs() const { return sizes_.front(); }
    Index outputs() const { return sizes_.back(); }
    const std::string& loss() const { return loss_; }
    TargetKind target_kind() const { return floats_.loss->targets; }
    Index slots() const { return floats_.rule->slots + (averages_ ? 1 : 0); }
    bool clips() const { return !limits_.empty(); }
    bool averages() const { return averages_; }
    Index rule_numbers() const { return floats_.rule->numbers; }
    Index layers() const { return static_cast<Index>(sizes_.size()) - 1; }
    bool drops() const { return !drop_limits_.empty(); }

private:
    // The entries of the kernel table of one type that the names stand for.
    template <class T>
    struct Named {
        const Loss<T>* loss = nullptr;
        std::vector<const Activation<T>*> activations;
        const Rule<T>* rule = nullptr;
    };

    void take_sizes(const Array<Index>& sizes);
    void take_dropout(const Array<std::int32_t>& limits, const Array<double>& scales);
    template <class T>
    Named<T> named(const std::string& rule) const;

    std::string isa_;
    std::vector<Index> sizes_;
    std::vector<Index> offsets_;
    std::vector<double> l2_;
    std::string loss_;
    std::vector<double> loss_numbers_;
    std::vector<std::string> activations_;
    std::vector<double> activation_numbers_;
    std::vector<std::int32_t> drop_limits_;
    std::vector<double> drop_scales_;
    std::vector<double> limits_;  // (2, m) of values and norms, or none
    bool averages_;
    Index parameters_ = 0;
    Named<float> floats_;
    Named<double> doubles_;
};

// For as long as rows (n, d) with adjacent elements are read from a memory map; and what throws where some
// were missing.
MappedRead reading_of(const py::array& X);
void require_read(const MappedRead& reading);

// Throws unless rows have as many inputs as the models: scores need nothing else of them.
void require_inputs(const PyModels& models, const PyRows& rows);

// Throws unless the rows fit the models: as many inputs, targets as the loss takes them for as many outputs,
// and weights for all models at once or for each.
void require_fit(const PyModels& models, const PyRows& rows);

}  // namespace gradstep::bindings
