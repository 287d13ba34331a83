import java.io.IOException;

/** What the Java peers have in common: how a server tells where it is and ends, and the cases that a client plays. */
final class Peer {
    /** One connection, until it has ended, however that was; its first message. */
    interface Visit {
        String to(String url, boolean echo) throws Exception;
    }

    private Peer() {}

    static void announce(int port) {
        System.out.println("ws://127.0.0.1:" + port + "/");
        Thread end = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException closed) {
                // as its end
            }
            Runtime.getRuntime().halt(0);
        });
        end.setDaemon(true);
        end.start();
    }

    static void play(String agent, String url, Visit visit) throws Exception {
        String base = url.replaceAll("/$", "");
        int count = Integer.parseInt(visit.to(base + "/getCaseCount", false));
        for (int number = 1; number <= count; number++) {
            try {
                visit.to(base + "/runCase?case=" + number + "&agent=" + agent, true);
            } catch (Exception error) { // many a case ends with one
                System.err.println("case " + number + ": " + error);
            }
        }
        visit.to(base + "/updateReports?agent=" + agent, false);
        System.exit(0);
    }
}
