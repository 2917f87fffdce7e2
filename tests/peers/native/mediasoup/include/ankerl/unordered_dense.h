// Stands in for the package that mediasoup takes its map from: one that is walked in the order of its keys.
#pragma once
#include <map>
namespace ankerl::unordered_dense {
template <class Key, class Value> using map = std::map<Key, Value>;
}
