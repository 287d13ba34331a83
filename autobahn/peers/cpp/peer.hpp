// What the C++ peers have in common: NAME server | client URL
//
// Each has a name under which the lab knows it, and two functions: serve echoes, and calls announce once it listens; visit
// opens a connection, echoes if it is to, and returns the first message once that has ended, however it ended.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <unistd.h>

extern const char *const agent;
void serve();
std::string visit(const std::string &url, bool echo);

inline void announce(int port) {
    std::printf("ws://127.0.0.1:%d/\n", port);
    std::fflush(stdout);
    std::thread([] {
        char bytes[256];
        while (read(0, bytes, sizeof bytes) > 0) {}
        _exit(0);
    }).detach();
}

inline void play(std::string url) {
    if (!url.empty() && url.back() == '/') url.pop_back();
    int count = std::stoi(visit(url + "/getCaseCount", false));
    for (int number = 1; number <= count; number++) {
        try {
            visit(url + "/runCase?case=" + std::to_string(number) + "&agent=" + agent, true);
        } catch (const std::exception &error) { // many a case ends with one
            std::fprintf(stderr, "case %d: %s\n", number, error.what());
        }
    }
    visit(url + "/updateReports?agent=" + agent, false);
}

inline int run(int argc, char **argv) {
    try {
        if (argc == 2 && argv[1] == std::string("server")) serve();
        else if (argc == 3 && argv[1] == std::string("client")) play(argv[2]);
        else return 2;
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
