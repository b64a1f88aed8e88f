// An exported student on pictures, with OpenVINO's C++ library alone.
//
//     ./classify student.onnx card.json picture.ppm ...
//
// Binary PPM pictures (P6), so that no image library is needed: `convert photo.jpg photo.ppm` makes one.

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "pixels.hpp"

Picture read_ppm(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    std::string kind;
    size_t width = 0, height = 0, most = 0;
    if (!(file >> kind >> width >> height >> most) || kind != "P6" || most != 255 || !width || !height)
        throw std::runtime_error(name + " is not a binary PPM picture of 8 bits");
    file.get();
    Picture picture{width, height, std::vector<unsigned char>(width * height * 3)};
    if (!file.read(reinterpret_cast<char*>(picture.bytes.data()), static_cast<std::streamsize>(picture.bytes.size())))
        throw std::runtime_error(name + " is cut short");
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
        const ov::Shape shape = input.get_shape();
        prepare(read_ppm(words[i]), shape[1], shape[2], shape[3], bicubic_of(card), input.data<float>());
        request.infer();
        const auto output = request.get_output_tensor();
        const float* logits = output.data<float>();
        std::cout << words[i] << ' ' << classes.at(std::max_element(logits, logits + output.get_size()) - logits) << '\n';
    }
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
