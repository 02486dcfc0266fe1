// What somebody else's program looks like: opens a node, publishes, reads it back.
#include <millpond.hpp>

#include <cstdio>

int main(int count, char **arguments) try {
    if (count != 2) return 2;
    millpond::NodeOptions options;
    options.path = arguments[1];
    options.app_id = "consumer";
    options.swarm = millpond::new_swarm_secret();
    options.network = false;
    millpond::Node node = millpond::Node::open(options);
    millpond::Draft draft;
    draft.payload = millpond::Payload::json("{\"job\":42}");
    node.publish(draft);
    const millpond::Batch batch = node.query("FROM allEvents").next();
    node.close();
    std::printf("millpond %s: %zu event\n", millpond::version().data(), batch.size());
    return batch.size() != 1;
} catch (const millpond::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
