// Calls a service of a group again and again, each call once, whatever is lost in between.
//
//   java Caller.java --at HOST:PORT[,HOST:PORT] --service NAME --calls N --state FILE
//                    [--client NAME] [--body JSON] [--deadline-ms N] [--try-ms N] [--token-file FILE]
//
// Nothing but a JDK (17 or later) is needed. What makes it safe to be killed at any line:
//
// * An id is a client's name, an incarnation and a serial. The state file names the call that is
//   under way before it is sent for the first time, on the disk; so after a restart the same call
//   is asked again under the same id, and no id is ever used for two: who asks for something else
//   meanwhile is told so, and nothing is sent.
// * A call that an earlier run may have sent is over when its answer is there, and not by a
//   refusal: that says nothing of the earlier try.
// * Every try of a call has the same id and the same body. The service carries an id out once and
//   answers every other try from what it kept.
// * Each call tells the lowest serial without an answer. This program calls one after the other,
//   so that is its own serial, and confirms all before.
//
// A line of JSON for each answer goes to standard output; what was met in between to standard
// error. It ends with 0 when all calls are answered, 1 when one was refused or ended abnormally,
// 5 when at a deadline an end was not known: run again, it goes on with that call.

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Caller {
    /** The end of one call. */
    enum Ending { REPLIED, ENDED, REFUSED, GONE, NOT_KNOWN }

    /** What comes after one try. */
    enum Step { REPLIED, ENDED, REFUSED, GONE, STOP, SAME, NEXT }

    /** What the table says: the step, and whether the call may have been carried out by now. */
    record Next(Step step, boolean mayBeDone) { }

    /** What stands in the head of an answer. */
    enum Marks { PLAIN, FINAL, SAME_ID, ELSEWHERE, NEVER }

    /** What follows a call that is over. */
    enum Then { ANOTHER, NOTHING }

    /** What stands in the state where the next call was not sent by anybody. */
    private static final String NONE = "none";
    private static final Duration SHORTEST = Duration.ofMillis(10);
    private static final Duration LONGEST = Duration.ofMillis(250);
    private static final Pattern RETRY = Pattern.compile("\"retry\"\\s*:\\s*\"([a-z-]+)\"");

    private final List<String> addresses;
    private final String service;
    private final String client;
    private final String body;
    private final Path state;
    private final Path token;
    private final Duration patience;
    private final Duration oneTry;
    private HttpClient http;
    private int at = 0;
    private long incarnation;
    private long serial;
    /** Whether an earlier run may have sent the call that comes next. */
    private boolean sentBefore = false;

    private Caller(Map<String, String> words) throws IOException {
        addresses = List.of(needed(words, "at").split(","));
        service = needed(words, "service");
        client = words.getOrDefault("client", "caller");
        body = words.getOrDefault("body", "{}");
        state = Path.of(needed(words, "state"));
        token = words.containsKey("token-file") ? Path.of(words.get("token-file")) : null;
        patience = Duration.ofMillis(Long.parseLong(words.getOrDefault("deadline-ms", "60000")));
        oneTry = Duration.ofMillis(Long.parseLong(words.getOrDefault("try-ms", "1000")));
        http = dialled();
        begin();
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> words = new HashMap<>();
        for (int i = 0; i < args.length; i += 2) {
            if (!args[i].startsWith("--") || i + 1 == args.length) {
                usage(args[i]);
            }
            words.put(args[i].substring(2), args[i + 1]);
        }
        if (words.containsKey("table")) {
            table();
            return;
        }
        long calls = Long.parseLong(needed(words, "calls"));
        Caller caller = new Caller(words);
        for (long done = 0; done < calls; done++) {
            Ending ending = caller.call(done + 1 < calls ? Then.ANOTHER : Then.NOTHING);
            switch (ending) {
                case REPLIED -> { }
                case NOT_KNOWN -> System.exit(5);
                default -> System.exit(1);
            }
        }
    }

    private static String needed(Map<String, String> words, String name) {
        String value = words.get(name);
        if (value == null) {
            usage("--" + name);
        }
        return value;
    }

    private static void usage(String word) {
        System.err.println("wrong or missing: " + word + "; see the head of Caller.java");
        System.exit(2);
    }

    // What was met, and what comes next: the same table as the client in Rust has.

    static Next next(int status, Marks marks, boolean mayBeDone) {
        if (status == 200 && (marks == Marks.PLAIN || marks == Marks.FINAL)) {
            return new Next(Step.REPLIED, true);
        }
        if (status == 500 && marks == Marks.FINAL) {
            return new Next(Step.ENDED, true);
        }
        if (status == 202) {
            return new Next(Step.SAME, true);
        }
        boolean refusal = marks != Marks.PLAIN && marks != Marks.FINAL;
        if (status == 410 && refusal) {
            return new Next(Step.GONE, true);
        }
        if (refusal) {
            // A refusal says that this try did nothing; of an earlier one it says nothing.
            boolean may = mayBeDone || status == 409;
            return switch (marks) {
                case SAME_ID -> new Next(Step.SAME, may);
                case ELSEWHERE -> new Next(Step.NEXT, may);
                default -> new Next(may ? Step.STOP : Step.REFUSED, may);
            };
        }
        if (marks == Marks.FINAL) {
            return new Next(Step.NEXT, true);
        }
        if (status == 408 || status == 425 || status == 429) {
            return new Next(Step.SAME, mayBeDone);
        }
        if (status >= 400 && status < 500) {
            return new Next(mayBeDone ? Step.STOP : Step.REFUSED, mayBeDone);
        }
        return new Next(Step.NEXT, true);
    }

    /** The whole table as text, so that a test can compare it with the other one. */
    private static void table() {
        StringBuilder out = new StringBuilder();
        for (int status = 100; status <= 999; status++) {
            for (Marks marks : Marks.values()) {
                for (boolean may : new boolean[] {false, true}) {
                    Next next = next(status, marks, may);
                    out.append(status).append(' ').append(marks).append(' ').append(may)
                        .append(' ').append(next.step()).append(' ').append(next.mayBeDone())
                        .append('\n');
                }
            }
        }
        System.out.print(out);
    }

    // One call, until its end is known or its deadline is there.

    private Ending call(Then then) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + patience.toNanos();
        boolean mayBeDone = sentBefore;
        sentBefore = false;
        int failed = 0;
        for (int tries = 1; ; tries++) {
            long left = deadline - System.nanoTime();
            if (left < 1_000_000) {
                note("call " + id() + " is not known: run again to ask again");
                return Ending.NOT_KNOWN;
            }
            long began = System.nanoTime();
            Next next;
            HttpResponse<byte[]> answer = null;
            try {
                Duration wait = min(oneTry, Duration.ofNanos(left));
                answer = http.send(request(wait), HttpResponse.BodyHandlers.ofByteArray());
                Marks marks = marks(answer);
                // Only a store ends a call, and says under which epoch; else it is a page of
                // something else at this address.
                boolean ends = answer.statusCode() == 200 || marks == Marks.FINAL;
                next = ends && !ofAStore(answer) ? new Next(Step.NEXT, true)
                    : next(answer.statusCode(), marks, mayBeDone);
            } catch (java.net.ConnectException | java.net.http.HttpConnectTimeoutException error) {
                note(addresses.get(at) + ": no connection (" + error + ")");
                next = new Next(Step.NEXT, mayBeDone);
            } catch (IOException error) {
                note(addresses.get(at) + ": " + error);
                next = new Next(Step.NEXT, true);
            }
            mayBeDone = next.mayBeDone();
            switch (next.step()) {
                case REPLIED -> {
                    tell(answer, tries);
                    answered(then);
                    return Ending.REPLIED;
                }
                case ENDED, GONE, REFUSED -> {
                    note("call " + id() + " ended: " + text(answer));
                    answered(Then.NOTHING);
                    return switch (next.step()) {
                        case ENDED -> Ending.ENDED;
                        case GONE -> Ending.GONE;
                        default -> Ending.REFUSED;
                    };
                }
                case STOP -> {
                    note("call " + id() + " is not known: " + text(answer));
                    return Ending.NOT_KNOWN;
                }
                case SAME, NEXT -> {
                    if (answer != null) {
                        note(addresses.get(at) + ": " + answer.statusCode());
                    }
                    failed++;
                }
            }
            boolean waited = System.nanoTime() - began >= oneTry.toNanos() / 2;
            if (next.step() == Step.NEXT) {
                at = (at + 1) % addresses.size();
                // What is kept of connections may lead to where nobody is any more.
                http = dialled();
                if (failed % addresses.size() == 0) {
                    pause(failed / addresses.size(), deadline);
                }
            } else if (!waited) {
                pause(failed, deadline);
            }
        }
    }

    private static HttpClient dialled() {
        return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(1)).build();
    }

    private HttpRequest request(Duration wait) throws IOException {
        URI uri = URI.create("http://" + addresses.get(at) + "/call/"
            + java.net.URLEncoder.encode(service, StandardCharsets.UTF_8).replace("+", "%20"));
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
            // The service answers within the patience; what is silent longer is given up.
            .timeout(wait.plus(oneTry.dividedBy(2)))
            .header("Content-Type", "application/json")
            .header("Tsugi-Client", client)
            .header("Tsugi-Call", incarnation + "." + serial)
            .header("Tsugi-Lowest", Long.toString(serial))
            .header("Tsugi-Patience", Long.toString(Math.max(1, wait.toMillis())));
        if (token != null) {
            request.header("Authorization", "Bearer " + Files.readAllLines(token).get(0).trim());
        }
        return request.POST(HttpRequest.BodyPublishers.ofString(body)).build();
    }

    private static boolean ofAStore(HttpResponse<byte[]> answer) {
        return answer.headers().firstValue("Tsugi-Epoch").orElse("").matches("\\d+");
    }

    private static Marks marks(HttpResponse<byte[]> answer) {
        if (answer.headers().firstValue("Tsugi-Final").isPresent()) {
            return Marks.FINAL;
        }
        String kind = answer.headers().firstValue("Content-Type").orElse("");
        if (!kind.split(";")[0].trim().equalsIgnoreCase("application/problem+json")) {
            return Marks.PLAIN;
        }
        Matcher retry = RETRY.matcher(text(answer));
        return switch (retry.find() ? retry.group(1) : "") {
            case "same-id" -> Marks.SAME_ID;
            case "elsewhere" -> Marks.ELSEWHERE;
            case "never" -> Marks.NEVER;
            default -> Marks.PLAIN;
        };
    }

    private static void pause(int failed, long deadline) throws InterruptedException {
        long whole = SHORTEST.toNanos() << Math.min(16, Math.max(0, failed - 1));
        whole = Math.min(whole, LONGEST.toNanos());
        long spread = whole / 2 + ThreadLocalRandom.current().nextLong(whole / 2 + 1);
        long left = Math.max(0, deadline - System.nanoTime());
        Thread.sleep(Duration.ofNanos(Math.min(spread, left / 2)).toMillis());
    }

    // The state: which call is under way. It is on the disk before that call is sent.

    private void begin() throws IOException {
        Path folder = state.toAbsolutePath().getParent();
        // What is beside the state was never in its place: the state itself is what counts.
        if (Files.exists(state)) {
            Matcher kept = Pattern.compile("caller 2\\nincarnation (\\d+)\\nserial (\\d+)\\n"
                + "asks (none|[0-9a-f]{64})\\n").matcher(Files.readString(state));
            if (!kept.matches()) {
                System.err.println(state + " is no state of a caller");
                System.exit(2);
            }
            incarnation = Long.parseLong(kept.group(1));
            serial = Long.parseLong(kept.group(2));
            sentBefore = !kept.group(3).equals(NONE);
            if (!sentBefore) {
                keep(asks());
            } else if (!kept.group(3).equals(asks())) {
                System.err.println("call " + incarnation + "." + serial + " of " + state
                    + " is not known yet, and was begun with another --client, --service or"
                    + " --body: nothing was sent; run again with those");
                System.exit(2);
            }
            note("goes on with " + id());
        } else {
            Files.createDirectories(folder);
            // Above all that a file that was lost may have had.
            incarnation = System.currentTimeMillis();
            serial = 1;
            keep(asks());
        }
    }

    /** The call is over: another one is under way, before it is sent. */
    private void answered(Then then) throws IOException {
        serial++;
        keep(then == Then.ANOTHER ? asks() : NONE);
    }

    /** What this run asks for, and as whom. */
    private String asks() {
        String all = client + "\n" + service + "\n" + body;
        try {
            MessageDigest hash = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(hash.digest(all.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
    }

    private void keep(String asks) throws IOException {
        Path beside = state.resolveSibling(state.getFileName() + ".new");
        String text = "caller 2\nincarnation " + incarnation + "\nserial " + serial + "\nasks "
            + asks + "\n";
        try (FileChannel file = FileChannel.open(beside, StandardOpenOption.CREATE,
                StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            file.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
            file.force(true);
        }
        Files.move(beside, state, StandardCopyOption.ATOMIC_MOVE,
            StandardCopyOption.REPLACE_EXISTING);
        try (FileChannel folder = FileChannel.open(state.toAbsolutePath().getParent(),
                StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    private String id() {
        return client + ":" + incarnation + "." + serial;
    }

    private void tell(HttpResponse<byte[]> answer, int tries) {
        // Its program may have refused the call: that is its answer, and is kept like any other.
        String ending = answer.headers().firstValue("Tsugi-Final").orElse("done");
        System.out.println("{\"id\":\"" + id() + "\",\"tries\":" + tries + ",\"ending\":\""
            + ending + "\",\"reply\":" + text(answer) + "}");
        System.out.flush();
    }

    private static String text(HttpResponse<byte[]> answer) {
        return new String(answer.body(), StandardCharsets.UTF_8);
    }

    private static void note(String line) {
        System.err.println(line);
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) <= 0 ? a : b;
    }
}
