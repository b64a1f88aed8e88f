// An exported student on pictures, with OpenVINO's C++ library alone.
//
//     ./classify student.onnx card.json picture.ppm ...
//
// Binary PPM pictures (P6), so that no image library is needed: `convert photo.jpg photo.ppm` makes one.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>
#include <vector>

struct Picture {
    size_t width, height;
    std::vector<float> values;  // height x width x 3, in [0, 1]
};

Picture read_ppm(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    std::string kind;
    size_t width = 0, height = 0, most = 0;
    if (!(file >> kind >> width >> height >> most) || kind != "P6" || most != 255 || !width || !height)
        throw std::runtime_error(name + " is not a binary PPM picture of 8 bits");
    file.get();
    std::vector<char> bytes(width * height * 3);
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
        throw std::runtime_error(name + " is cut short");
    Picture picture{width, height, {}};
    for (unsigned char byte : bytes) picture.values.push_back(byte / 255.f);
    return picture;
}

std::string read_text(const std::string& name) {
    std::ifstream file(name);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The names in a card's list "classes".
std::vector<std::string> classes_of(const std::string& text) {
    size_t at = text.find("\"classes\"");
    if (at == std::string::npos) throw std::runtime_error("the card names no classes");
    std::vector<std::string> classes;
    const size_t end = text.find(']', at);
    for (at = text.find('[', at); (at = text.find('"', at)) < end;) {
        const size_t close = text.find('"', at + 1);
        classes.push_back(text.substr(at + 1, close - at - 1));
        at = close + 1;
    }
    return classes;
}

// Whether a card's "input" is resized by bicubic interpolation; else bilinear.
bool bicubic_of(const std::string& text) {
    const size_t at = text.find("\"interpolation\"", text.find("\"input\""));
    return at != std::string::npos && text.substr(text.find(':', at), 12).find("bicubic") != std::string::npos;
}

float kernel(float distance, bool bicubic) {
    const float x = std::abs(distance), a = -.5f;
    if (!bicubic) return std::max(0.f, 1 - x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0.f;
}

// One row or column of the resized picture: antialiased, as image libraries do.
struct Weights {
    size_t first;
    std::vector<float> values;
};

std::vector<Weights> weights(size_t offset, size_t size, size_t count, bool bicubic) {
    const float scale = float(size) / count, stretch = std::max(scale, 1.f), reach = bicubic ? 2 * stretch : stretch;
    std::vector<Weights> all;
    for (size_t i = 0; i < count; ++i) {
        const float centre = (i + .5f) * scale;
        const size_t first = size_t(std::max(0.f, std::floor(centre - reach + .5f)));
        const size_t last = std::min(size, size_t(std::floor(centre + reach + .5f)));
        Weights one{offset + first, {}};
        float sum = 0;
        for (size_t from = first; from < last; ++from) {
            one.values.push_back(kernel((from + .5f - centre) / stretch, bicubic));
            sum += one.values.back();
        }
        for (float& weight : one.values) weight /= sum;
        all.push_back(one);
    }
    return all;
}

// The largest centred part of the input's proportions, resized: channels x height x width.
void prepare(const Picture& picture, const ov::Shape& shape, bool bicubic, float* pixels) {
    const size_t channels = shape[1], height = shape[2], width = shape[3];
    const size_t wide = std::min(picture.width, std::max<size_t>(1, picture.height * width / height));
    const size_t high = std::min(picture.height, std::max<size_t>(1, picture.width * height / width));
    const auto across = weights((picture.width - wide) / 2, wide, width, bicubic);
    const auto down = weights((picture.height - high) / 2, high, height, bicubic);
    const float grey[] = {.299f, .587f, .114f};
    std::fill(pixels, pixels + channels * height * width, 0.f);
    for (size_t y = 0; y < height; ++y)
        for (size_t x = 0; x < width; ++x)
            for (size_t i = 0; i < down[y].values.size(); ++i)
                for (size_t j = 0; j < across[x].values.size(); ++j)
                    for (size_t c = 0; c < 3; ++c) {
                        const size_t from = (down[y].first + i) * picture.width + across[x].first + j;
                        const float value = down[y].values[i] * across[x].values[j] * picture.values[from * 3 + c];
                        if (channels == 3) pixels[(c * height + y) * width + x] += value;
                        else pixels[y * width + x] += grey[c] * value;
                    }
    for (size_t i = 0; i < channels * height * width; ++i) pixels[i] = std::clamp(pixels[i], 0.f, 1.f);
}

int main(int count, char** words) try {
    if (count < 4) throw std::runtime_error("usage: classify student.onnx card.json picture.ppm ...");
    const std::string card = read_text(words[2]);
    const auto classes = classes_of(card);
    ov::Core core;
    auto model = core.read_model(words[1]);
    auto partial = model->input().get_partial_shape();
    partial[0] = 1;
    model->reshape(partial);
    auto request = core.compile_model(model, "CPU", ov::inference_num_threads(1)).create_infer_request();
    auto input = request.get_input_tensor();
    for (int i = 3; i < count; ++i) {
        prepare(read_ppm(words[i]), input.get_shape(), bicubic_of(card), input.data<float>());
        request.infer();
        const auto output = request.get_output_tensor();
        const float* logits = output.data<float>();
        std::cout << words[i] << ' ' << classes.at(std::max_element(logits, logits + output.get_size()) - logits) << '\n';
    }
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
