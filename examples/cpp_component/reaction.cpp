// First-order decay of a dissolved substance, dc/dt = -k c, in every cell of a grid.
// Called once per step of the model that owns the grid; exact for any step length.

#include <cmath>
#include <cstdlib>
#include <vector>

#include <libmuscle/libmuscle.hpp>
#include <ymmsl/ymmsl.hpp>

using libmuscle::Data;
using libmuscle::Instance;
using libmuscle::Message;
using ymmsl::Operator;

int main(int argc, char * argv[]) {
    Instance instance(argc, argv, {
        {Operator::F_INIT, {"initial"}},  // c, float64, (x), mol/m3
        {Operator::O_F, {"final"}}});     // c, float64, (x), mol/m3

    while (instance.reuse_instance()) {
        double const k = instance.get_setting_as<double>("k");                // 1/s
        double const duration = instance.get_setting_as<double>("duration");  // s

        auto const received = instance.receive("initial");
        double const * const first = received.data().elements<double>();
        std::vector<double> c(first, first + received.data().size());

        double const factor = std::exp(-k * duration);
        for (double & value : c)
            value *= factor;

        auto const grid = Data::grid(c.data(), {c.size()}, {"x"});
        instance.send("final", Message(received.timestamp() + duration, grid));
    }
    return EXIT_SUCCESS;
}
