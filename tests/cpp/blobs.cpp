// Blobs: added, read, exported, looked after, and referred to by events.
#include "check.hpp"

#include <cstdio>
#include <unistd.h>

using millpond::BlobAbout;
using millpond::BlobProgress;
using millpond::BlobReader;
using millpond::Blobs;
using millpond::BlobWork;
using millpond::BlobWriter;

namespace {

constexpr std::size_t SIZE = 200000;

std::string content() {
    std::string bytes(SIZE, 0);
    for (std::size_t at = 0; at < SIZE; at++)
        bytes[at] = static_cast<char>((at * 31 + at / 251) & 0xff);
    return bytes;
}

millpond::Bytes bytes_of(const std::string &text) {
    return {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
}

BlobAbout photo() {
    BlobAbout about;
    about.media_type = "image/jpeg", about.name = "defect.jpg", about.tags = {"press"};
    return about;
}

void bytes_a_file_and_pieces_are_one_blob() {
    const Node node = open_node();
    const Blobs blobs(node);
    const std::string all = content(), path = fresh_folder() + "-photo";
    const std::string told = blobs.add_bytes(bytes_of(all), photo(), SOON);
    const std::string id = field(told, "id");
    CHECK(id.size() == 64 && field(told, "size") == "200000");
    std::FILE *file = std::fopen(path.c_str(), "wb");
    CHECK(file && std::fwrite(all.data(), 1, SIZE, file) == SIZE);
    if (file) (void)std::fclose(file);
    BlobWork work = blobs.add_file(path);
    CHECK(is_readable(work.fd()));
    BlobProgress progress = work.progress(SOON);
    while (!progress.is_end) progress = work.progress(SOON);
    CHECK(progress.done_bytes == SIZE && progress.total_bytes == SIZE);
    CHECK(field(work.result(SOON), "id") == id);
    work.close();
    FAILS(closed, work.try_result(SOON));
    (void)std::remove(path.c_str());

    BlobAbout sized;
    sized.size = SIZE;
    BlobWriter writer = blobs.writer(sized);
    writer.write(bytes_of(all.substr(0, 70000)), SOON);
    writer.write(bytes_of(all.substr(70000)), SOON);
    CHECK(field(writer.finish(SOON), "id") == id);
    BlobWriter long_one = blobs.writer(sized);
    FAILS(conflict, long_one.try_write(bytes_of(all + "more"), SOON));

    CHECK(blobs.has(id) && !blobs.has(std::string(64, '0')));
    CHECK(field(blobs.stat(id), "state") == "whole");
    const std::vector<std::string> press{"press"}, other{"other"};
    CHECK(contains(blobs.list({}, press), id.c_str()));
    CHECK(blobs.list({}, other) == "[]" && blobs.list(id) == "[]");
}

void a_blob_is_read_at_any_place_and_in_turn() {
    const Node node = open_node();
    const Blobs blobs(node);
    const std::string all = content();
    const std::string id = field(blobs.add_bytes(bytes_of(all)), "id");
    BlobReader reader = blobs.open(id, SOON);
    CHECK(reader.size() == SIZE);
    std::vector<std::uint8_t> buffer(70000);
    CHECK(reader.pread(65535, buffer, SOON) == 70000);
    CHECK(std::equal(buffer.begin(), buffer.end(), bytes_of(all).begin() + 65535));
    CHECK(reader.read({buffer.data(), 10}, SOON) == 10);
    std::string read(buffer.begin(), buffer.begin() + 10);
    for (std::string chunk = reader.next_chunk(SOON); !chunk.empty();
         chunk = reader.next_chunk(SOON))
        read += chunk;
    CHECK(read == all);
    CHECK(reader.seek(-3, 2) == SIZE - 3 && reader.read(buffer, SOON) == 3);
    FAILS(invalid_argument, reader.try_seek(-1));
    const int file = reader.open_file();
    CHECK(::pread(file, buffer.data(), 4, 0) == 4);
    (void)::close(file);
    CHECK(blobs.get(id, {}, SOON) == all);
    FAILS(limit_exceeded, blobs.try_get(id, 4, SOON));
    FAILS(not_found, blobs.try_open(std::string(64, '0'), SOON));
    reader.close();
    FAILS(closed, reader.try_size());
}

void a_blob_becomes_a_file_and_all_of_them_are_looked_after() {
    const Node node = open_node();
    const Blobs blobs(node);
    const std::string id = field(blobs.add_bytes(bytes_of(content())), "id");
    const std::string path = fresh_folder() + "-out";
    CHECK(field(blobs.export_to(id, path).result(SOON), "size") == "200000");
    FAILS(conflict, blobs.export_to(id, path).try_result(SOON));
    for (const auto how : {millpond::BlobExport::automatic, millpond::BlobExport::copy,
                           millpond::BlobExport::link})
        (void)blobs.export_to(id, path, how, true).result(SOON);
    (void)std::remove(path.c_str());
    CHECK(field(blobs.verify().result(SOON), "whole") == "1");
    CHECK(field(blobs.verify(id).result(SOON), "bytes") == "200000");
    CHECK(field(blobs.collect().result(SOON), "blobs") == "0");
}

void an_event_refers_to_blobs() {
    const Node node = open_node();
    const Blobs blobs(node);
    const std::string id = field(blobs.add_bytes(bytes_of(content()), photo()), "id");
    Draft draft = grain();
    draft.blobs = {id};
    node.publish(draft, {}, SOON);
    millpond::Cursor cursor = node.query("FROM 'grain'", {}, SOON);
    const millpond::Batch batch = cursor.next(SOON);
    const std::string told = millpond::event_blobs(batch, 0);
    CHECK(contains(told, id.c_str()) && contains(told, "defect.jpg"));
    FAILS(invalid_argument, millpond::try_event_blobs(batch, 1));
    draft.blobs = {std::string(64, '0')};
    FAILS(not_found, node.try_publish(draft, {}, SOON));
}

}  // namespace

int main() {
    run("bytes, a file and pieces are one blob", bytes_a_file_and_pieces_are_one_blob);
    run("a blob is read at any place and in turn", a_blob_is_read_at_any_place_and_in_turn);
    run("a blob becomes a file, and all of them are looked after",
        a_blob_becomes_a_file_and_all_of_them_are_looked_after);
    run("an event refers to blobs", an_event_refers_to_blobs);
    return summary();
}
