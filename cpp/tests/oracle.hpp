// Training in plain double loops, one row at a time; shares nothing with the core but the words.
#pragma once

#include <cmath>
#include <vector>

namespace gradstep::tests {

struct Net {
    std::vector<std::vector<double>> W;  // per layer (in, out)
    std::vector<std::vector<double>> b;
    bool sigmoid;  // else softmax
};

using Matrix = std::vector<std::vector<double>>;

inline Matrix forward(const Net& net, const std::vector<double>& x) {
    Matrix outputs{x};
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        std::vector<double> z = net.b[l];
        for (std::size_t o = 0; o < z.size(); ++o) {
            for (std::size_t i = 0; i < outputs[l].size(); ++i)
                z[o] += outputs[l][i] * net.W[l][i * z.size() + o];
            if (l + 1 < net.W.size() && z[o] < 0) z[o] = 0;
        }
        outputs.push_back(z);
    }
    return outputs;
}

inline std::vector<double> probabilities(const std::vector<double>& scores, bool sigmoid) {
    if (sigmoid) {
        std::vector<double> p;
        for (const double s : scores) p.push_back(1 / (1 + std::exp(-s)));
        return p;
    }
    double most = scores[0], sum = 0;
    for (const double s : scores) most = s > most ? s : most;
    std::vector<double> p;
    for (const double s : scores) p.push_back(std::exp(s - most));
    for (const double e : p) sum += e;
    for (double& e : p) e /= sum;
    return p;
}

inline double row_loss(const std::vector<double>& scores, std::size_t label, bool sigmoid) {
    if (!sigmoid) return -std::log(probabilities(scores, false)[label]);
    double sum = 0;
    for (std::size_t o = 0; o < scores.size(); ++o) {
        const double t = o == label ? -scores[o] : scores[o];
        sum += (t > 0 ? t : 0) + std::log1p(std::exp(-std::abs(t)));
    }
    return sum / static_cast<double>(scores.size());
}

inline double mean_loss(const Net& net, const Matrix& X, const std::vector<int>& y) {
    double sum = 0;
    for (std::size_t r = 0; r < X.size(); ++r)
        sum += row_loss(forward(net, X[r]).back(), static_cast<std::size_t>(y[r]), net.sigmoid);
    return sum / static_cast<double>(X.size());
}

// Gradient of mean loss + l2 * sum(W^2), as a Net.
inline Net gradient(const Net& net, const Matrix& X, const std::vector<int>& y, double l2) {
    Net g = net;
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        for (std::size_t i = 0; i < net.W[l].size(); ++i) g.W[l][i] = 2 * l2 * net.W[l][i];
        for (double& db : g.b[l]) db = 0;
    }
    for (std::size_t r = 0; r < X.size(); ++r) {
        const Matrix A = forward(net, X[r]);
        std::vector<double> dz = probabilities(A.back(), net.sigmoid);
        dz[static_cast<std::size_t>(y[r])] -= 1;
        for (double& v : dz) v /= static_cast<double>(net.sigmoid ? X.size() * dz.size() : X.size());
        for (std::size_t l = net.W.size(); l-- > 0;) {
            std::vector<double> below(A[l].size(), 0.0);
            for (std::size_t i = 0; i < A[l].size(); ++i)
                for (std::size_t o = 0; o < dz.size(); ++o) {
                    g.W[l][i * dz.size() + o] += A[l][i] * dz[o];
                    if (A[l][i] > 0) below[i] += net.W[l][i * dz.size() + o] * dz[o];
                }
            for (std::size_t o = 0; o < dz.size(); ++o) g.b[l][o] += dz[o];
            dz = below;
        }
    }
    return g;
}

}  // namespace gradstep::tests
