import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jitsi.utils.dsi.DominantSpeakerIdentification;

/**
 * Asks Jitsi's dominant speaker identification. Standard input has "TRACE silence" (milliseconds, -1 without), then lines
 * "milliseconds person level" (0 the loudest, 127 silence) in the order of time, and as many such traces as wanted; each
 * is answered by "TRACE", then by lines "milliseconds person", or "milliseconds -" for silence.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        Room room = null;
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("TRACE")) {
                if (room != null) room.end();
                System.out.println("TRACE");
                room = new Room(Long.parseLong(words[1]));
            } else {
                room.hear(Long.parseLong(words[0]), words[1], Integer.parseInt(words[2]));
            }
        }
        if (room != null) room.end();
    }

    /** One room in virtual time: what is due runs when the levels of the same instant are in. */
    private static final class Room {
        private final Time time = new Time();
        private final DominantSpeakerIdentification<String> machine;

        Room(long silence) {
            machine = new DominantSpeakerIdentification<>(time.clock, time, silence);
            machine.addActiveSpeakerChangedListener(
                person -> System.out.println(time.now + " " + (person == null ? "-" : person)));
        }

        void hear(long at, String person, int level) {
            if (at > time.now) {
                time.run(at - 1);
                time.now = at;
            }
            machine.levelChanged(person, 127 - level);
        }

        void end() {
            time.run(time.now);
        }
    }

    /** A clock and an executor that only move when they are told to. */
    private static final class Time extends AbstractExecutorService implements ScheduledExecutorService {
        private record Task(long due, Runnable work) {}

        private final List<Task> tasks = new ArrayList<>();
        long now = 0;

        final Clock clock = new Clock() {
            @Override public ZoneId getZone() { return ZoneOffset.UTC; }
            @Override public Clock withZone(ZoneId zone) { return this; }
            @Override public Instant instant() { return Instant.ofEpochMilli(now); }
        };

        void run(long until) {
            while (true) {
                Task next = null;
                for (Task task : tasks) {
                    if (task.due <= until && (next == null || task.due < next.due)) next = task;
                }
                if (next == null) return;
                tasks.remove(next);
                now = Math.max(now, next.due);
                next.work.run();
            }
        }

        @Override public void execute(Runnable work) { tasks.add(new Task(now, work)); }

        @Override public ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
            tasks.add(new Task(now + unit.toMillis(delay), work));
            return null;
        }

        @Override public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
            throw new UnsupportedOperationException();
        }

        @Override public ScheduledFuture<?> scheduleAtFixedRate(Runnable work, long first, long period, TimeUnit unit) {
            throw new UnsupportedOperationException();
        }

        @Override public ScheduledFuture<?> scheduleWithFixedDelay(Runnable work, long first, long delay, TimeUnit unit) {
            throw new UnsupportedOperationException();
        }

        @Override public void shutdown() {}
        @Override public List<Runnable> shutdownNow() { return List.of(); }
        @Override public boolean isShutdown() { return false; }
        @Override public boolean isTerminated() { return false; }
        @Override public boolean awaitTermination(long timeout, TimeUnit unit) { return true; }
    }
}
