// Training in plain double loops, one row at a time; shares nothing with the core but the words. Every loss,
// activation and rule has a row here, found by its name.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace gradstep::tests {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

// What a row is judged by: a class or values.
struct Target {
    std::size_t label = 0;
    Vector values;
};

struct LossOracle {
    double (*loss)(const Vector& scores, const Target& target, const Vector& numbers);
    Vector (*gradient)(const Vector& scores, const Target& target, const Vector& numbers);
    bool (*is_hit)(const Vector& scores, const Target& target);
};

struct ActivationOracle {
    double (*of)(double z, double number);
    double (*slope)(double z, double number);
};

struct RuleOracle {
    std::size_t slots;
    void (*step)(double& w, double* slots, double dw, const Vector& numbers);
    // Numbers such as an optimizer might give at update t.
    Vector (*numbers)(double rate, double l2, int t, bool bias);
};

inline double log1pexp(double t) { return (t > 0 ? t : 0) + std::log1p(std::exp(-std::abs(t))); }
inline double sigmoid(double s) { return 1 / (1 + std::exp(-s)); }

inline Vector softmax(const Vector& scores) {
    const double most = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    Vector p;
    for (const double s : scores) p.push_back(std::exp(s - most));
    for (const double e : p) sum += e;
    for (double& e : p) e /= sum;
    return p;
}

inline double wanted_share(std::size_t o, const Vector& scores, const Target& target, const Vector& numbers) {
    const double eps = numbers[0];
    return (o == target.label ? 1 - eps : 0) + eps / static_cast<double>(scores.size());
}

inline bool is_first_highest(const Vector& scores, const Target& target) {
    return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin()) ==
           target.label;
}

// Mean over the outputs of f(score, is positive or value, o), and the like as a gradient.
template <class F>
double mean_of(const Vector& scores, F&& f) {
    double sum = 0;
    for (std::size_t o = 0; o < scores.size(); ++o) sum += f(o);
    return sum / static_cast<double>(scores.size());
}
template <class F>
Vector each_of(const Vector& scores, F&& f) {
    Vector all;
    for (std::size_t o = 0; o < scores.size(); ++o) all.push_back(f(o) / static_cast<double>(scores.size()));
    return all;
}

inline const std::map<std::string, LossOracle>& oracle_losses() {
    using V = const Vector&;
    using Y = const Target&;
    static const std::map<std::string, LossOracle> rows{
        {"softmax",
         {[](V s, Y y, V n) {
              const Vector p = softmax(s);
              double sum = 0;
              for (std::size_t o = 0; o < s.size(); ++o) sum -= wanted_share(o, s, y, n) * std::log(p[o]);
              return sum;
          },
          [](V s, Y y, V n) {
              Vector p = softmax(s);
              for (std::size_t o = 0; o < s.size(); ++o) p[o] -= wanted_share(o, s, y, n);
              return p;
          },
          is_first_highest}},
        {"sigmoid",
         {[](V s, Y y, V) {
              return mean_of(s, [&](std::size_t o) { return log1pexp(o == y.label ? -s[o] : s[o]); });
          },
          [](V s, Y y, V) {
              return each_of(s, [&](std::size_t o) { return sigmoid(s[o]) - (o == y.label ? 1 : 0); });
          },
          is_first_highest}},
        {"squared",
         {[](V s, Y y, V) {
              return mean_of(s, [&](std::size_t o) { return std::pow(s[o] - y.values[o], 2) / 2; });
          },
          [](V s, Y y, V) { return each_of(s, [&](std::size_t o) { return s[o] - y.values[o]; }); },
          [](V, Y) { return false; }}},
        {"multilabel",
         {[](V s, Y y, V) {
              return mean_of(s, [&](std::size_t o) { return log1pexp(y.values[o] > 0.5 ? -s[o] : s[o]); });
          },
          [](V s, Y y, V) {
              return each_of(s, [&](std::size_t o) { return sigmoid(s[o]) - (y.values[o] > 0.5 ? 1 : 0); });
          },
          [](V s, Y y) {
              for (std::size_t o = 0; o < s.size(); ++o)
                  if ((s[o] > 0) != (y.values[o] > 0.5)) return false;
              return true;
          }}},
        {"poisson",
         {[](V s, Y y, V) {
              return mean_of(s, [&](std::size_t o) {
                  const double v = y.values[o];
                  return std::exp(s[o]) - v * s[o] + (v == 0 ? 0 : v * std::log(v) - v);
              });
          },
          [](V s, Y y, V) { return each_of(s, [&](std::size_t o) { return std::exp(s[o]) - y.values[o]; }); },
          [](V, Y) { return false; }}},
    };
    return rows;
}

inline const std::map<std::string, ActivationOracle>& oracle_activations() {
    constexpr double L = 1.0507009873554805, A = 1.6732632423543772;
    static const std::map<std::string, ActivationOracle> rows{
        {"relu",
         {[](double z, double) { return z > 0 ? z : 0; }, [](double z, double) { return z > 0 ? 1. : 0.; }}},
        {"tanh",
         {[](double z, double) { return std::tanh(z); },
          [](double z, double) { return 1 / std::pow(std::cosh(z), 2); }}},
        {"logistic",
         {[](double z, double) { return sigmoid(z); },
          [](double z, double) { return sigmoid(z) * sigmoid(-z); }}},
        {"identity", {[](double z, double) { return z; }, [](double, double) { return 1.; }}},
        {"leaky_relu",
         {[](double z, double c) { return z > 0 ? z : c * z; },
          [](double z, double c) { return z > 0 ? 1 : c; }}},
        {"selu",
         {[](double z, double) { return z > 0 ? L * z : L * A * std::expm1(z); },
          [](double z, double) { return z > 0 ? L : L * A * std::exp(z); }}},
    };
    return rows;
}

inline const std::map<std::string, RuleOracle>& oracle_rules() {
    using V = const Vector&;
    static const std::map<std::string, RuleOracle> rows{
        {"descent",
         {0, [](double& w, double*, double dw, V n) { w = n[0] * w + n[1] * dw; },
          [](double rate, double l2, int, bool bias) {
              return Vector{bias ? 1 : 1 - 2 * rate * l2, -rate};
          }}},
        {"momentum",
         {1,
          [](double& w, double* v, double dw, V n) {
              const double g = dw + n[0] * w;
              *v = n[1] * *v + n[2] * g;
              w = n[3] * w + n[4] * *v + n[5] * g;
          },
          [](double rate, double l2, int t, bool bias) {
              const double decay = bias ? 0 : 2 * l2;
              // Nesterov's and the heavy ball, with and without the rate in the velocity.
              return t % 2 ? Vector{decay, 0.9, -rate, 1, 0.9, -rate} : Vector{decay, 0.8, 1, 0.99, -rate, 0};
          }}},
        {"adam",
         {2,
          [](double& w, double* slots, double dw, V n) {
              const double g = dw + n[0] * w;
              slots[0] = n[1] * slots[0] + n[2] * g;
              slots[1] = n[3] * slots[1] + n[4] * g * g;
              w = n[5] * w - n[6] * slots[0] / (std::sqrt(slots[1]) + n[7]);
          },
          [](double rate, double l2, int t, bool bias) {
              const double step =
                  0.2 * rate * std::sqrt(1 - std::pow(0.99, t + 1)) / (1 - std::pow(0.9, t + 1));
              return Vector{bias ? 0 : 2 * l2, 0.9, 0.1, 0.99, 0.01, bias ? 1 : 0.999, step, 1e-3};
          }}},
    };
    return rows;
}

struct Net {
    Matrix W;  // per layer (in, out)
    Matrix b;
    std::vector<std::string> activations;
    Vector activation_numbers;
    std::string loss;
    Vector loss_numbers;

    const LossOracle& judge() const { return oracle_losses().at(loss); }
    const ActivationOracle& activation(std::size_t l) const {
        return oracle_activations().at(activations[l]);
    }
};

// The inputs and what every layer gives, before its activation and behind it.
struct Pass {
    Matrix Z;
    Matrix A;
};

inline Pass forward(const Net& net, const Vector& x) {
    Pass pass{{}, {x}};
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        Vector z = net.b[l];
        for (std::size_t o = 0; o < z.size(); ++o)
            for (std::size_t i = 0; i < pass.A[l].size(); ++i)
                z[o] += pass.A[l][i] * net.W[l][i * z.size() + o];
        pass.Z.push_back(z);
        if (l + 1 < net.W.size())
            for (double& v : z) v = net.activation(l).of(v, net.activation_numbers[l]);
        pass.A.push_back(z);
    }
    return pass;
}

inline Vector scores_of(const Net& net, const Vector& x) { return forward(net, x).A.back(); }

inline double mean_loss(const Net& net, const Matrix& X, const std::vector<Target>& targets) {
    double sum = 0;
    for (std::size_t r = 0; r < X.size(); ++r)
        sum += net.judge().loss(scores_of(net, X[r]), targets[r], net.loss_numbers);
    return sum / static_cast<double>(X.size());
}

// Gradient of the mean loss, as a Net.
inline Net loss_gradient(const Net& net, const Matrix& X, const std::vector<Target>& targets) {
    Net g = net;
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        std::fill(g.W[l].begin(), g.W[l].end(), 0.0);
        std::fill(g.b[l].begin(), g.b[l].end(), 0.0);
    }
    for (std::size_t r = 0; r < X.size(); ++r) {
        const Pass pass = forward(net, X[r]);
        Vector dz = net.judge().gradient(pass.A.back(), targets[r], net.loss_numbers);
        for (double& v : dz) v /= static_cast<double>(X.size());
        for (std::size_t l = net.W.size(); l-- > 0;) {
            Vector below(pass.A[l].size(), 0.0);
            for (std::size_t i = 0; i < below.size(); ++i) {
                for (std::size_t o = 0; o < dz.size(); ++o) {
                    g.W[l][i * dz.size() + o] += pass.A[l][i] * dz[o];
                    below[i] += net.W[l][i * dz.size() + o] * dz[o];
                }
                if (l > 0)
                    below[i] *= net.activation(l - 1).slope(pass.Z[l - 1][i], net.activation_numbers[l - 1]);
            }
            for (std::size_t o = 0; o < dz.size(); ++o) g.b[l][o] += dz[o];
            dz = below;
        }
    }
    return g;
}

// Weights and biases one after the other, as a model's block has them.
inline Vector flat(const Net& net) {
    Vector all;
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        all.insert(all.end(), net.W[l].begin(), net.W[l].end());
        all.insert(all.end(), net.b[l].begin(), net.b[l].end());
    }
    return all;
}

// Adds the decay of weights, then lets no element be larger than `value`, nor all together longer
// than `norm`.
inline void clip(Net& g, const Net& net, double decay, double value, double norm) {
    double squares = 0;
    for (std::size_t l = 0; l < net.W.size(); ++l)
        for (std::size_t i = 0; i < net.W[l].size(); ++i) g.W[l][i] += decay * net.W[l][i];
    const auto each = [&](auto&& f) {
        for (Matrix* part : {&g.W, &g.b})
            for (Vector& of_layer : *part)
                for (double& element : of_layer) f(element);
    };
    each([&](double& element) {
        element = std::max(-value, std::min(value, element));
        squares += element * element;
    });
    if (std::sqrt(squares) > norm) each([&](double& element) { element *= norm / std::sqrt(squares); });
}

// One update by numbers for weights and for biases; slots (s, P).
inline void step(Net& net, Matrix& slots, const Net& g, const std::string& rule, const Vector& of_weights,
                 const Vector& of_biases) {
    const RuleOracle& by = oracle_rules().at(rule);
    std::size_t place = 0;
    const auto update = [&](Vector& to, const Vector& dto, const Vector& numbers) {
        for (std::size_t i = 0; i < to.size(); ++i, ++place) {
            Vector own;
            for (std::size_t s = 0; s < by.slots; ++s) own.push_back(slots[s][place]);
            by.step(to[i], own.data(), dto[i], numbers);
            for (std::size_t s = 0; s < by.slots; ++s) slots[s][place] = own[s];
        }
    };
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        update(net.W[l], g.W[l], of_weights);
        update(net.b[l], g.b[l], of_biases);
    }
}

}  // namespace gradstep::tests
