// What a student sees of a picture, bit for bit as Pillow makes it: so it was validated.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

struct Picture {
    size_t width, height;
    std::vector<unsigned char> bytes;  // height x width x 3: red, green, blue
};

inline double kernel(double distance, bool bicubic) {
    const double x = std::abs(distance), a = -.5;
    if (!bicubic) return std::max(0., 1 - x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Every row of a plane made `count` long, rounded to bytes; the result is transposed: twice makes a picture.
inline std::vector<unsigned char> resized(const std::vector<unsigned char>& plane, size_t length, size_t count, bool bicubic) {
    const size_t rows = plane.size() / length;
    const double scale = double(length) / count, stretch = std::max(scale, 1.), reach = (bicubic ? 2 : 1) * stretch;
    const int64_t one = 1 << 22;  // Pillow's weights are whole numbers of 22 bits
    std::vector<unsigned char> made(count * rows);
    for (size_t x = 0; x < count; ++x) {
        const double centre = (x + .5) * scale;
        const size_t first = size_t(std::max(0., centre - reach + .5)), last = std::min(length, size_t(centre + reach + .5));
        std::vector<double> shares;
        double sum = 0;
        for (size_t from = first; from < last; ++from) {
            shares.push_back(kernel((double(from) - centre + .5) * (1 / stretch), bicubic));
            sum += shares.back();
        }
        std::vector<int64_t> weights;
        for (double share : shares) weights.push_back(int64_t(share * (1 / sum) * one + (share < 0 ? -.5 : .5)));
        for (size_t y = 0; y < rows; ++y) {
            int64_t total = one / 2;
            for (size_t i = 0; i < weights.size(); ++i) total += weights[i] * plane[y * length + first + i];
            made[x * rows + y] = static_cast<unsigned char>(std::clamp<int64_t>(total >> 22, 0, 255));
        }
    }
    return made;
}

// The largest centred part of the input's proportions, resized: channels x height x width in [0, 1].
inline void prepare(const Picture& picture, size_t channels, size_t height, size_t width, bool bicubic, float* pixels) {
    const size_t wide = std::min(picture.width, std::max<size_t>(1, picture.height * width / height));
    const size_t high = std::min(picture.height, std::max<size_t>(1, picture.width * height / width));
    const size_t left = (picture.width - wide) / 2, top = (picture.height - high) / 2;
    for (size_t c = 0; c < channels; ++c) {
        std::vector<unsigned char> plane;
        for (size_t y = top; y < top + high; ++y)
            for (size_t x = left; x < left + wide; ++x) {
                const unsigned char* colour = &picture.bytes[(y * picture.width + x) * 3];
                const int grey = (19595 * colour[0] + 38470 * colour[1] + 7471 * colour[2] + 32768) >> 16;
                plane.push_back(channels == 3 ? colour[c] : static_cast<unsigned char>(grey));
            }
        for (unsigned char byte : resized(resized(plane, wide, width, bicubic), high, height, bicubic))
            *pixels++ = byte * (1 / 255.f);
    }
}
