package io.millpond

import io.millpond.payload.Value
import java.nio.file.Files
import java.nio.file.Path
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

/** Long enough for a busy machine; what waits for so long is lost. */
internal val SOON = 60.seconds

internal val SECRET = SwarmSecret("07".repeat(32))

/** Runs a test that has an end. */
internal fun soon(test: suspend CoroutineScope.() -> Unit): Unit =
    runBlocking { withTimeout(SOON, test) }

internal fun folder(): Path = Files.createTempDirectory("millpond-kotlin-")

/** A node in a folder of its own, without a network. */
internal suspend fun open(
    path: Path = folder(),
    options: OpenOptions = OpenOptions(network = false),
): Node = Millpond.open(path, "kotlin-test", SECRET, options = options)

/** Publishes whole numbers, each with the tag `grain`. */
internal suspend fun Node.grind(numbers: IntRange): Published =
    publishAll(numbers.map { Draft(Value.of(it), listOf("grain")) })

internal fun numbers(events: List<Event>): List<Long> =
    events.map { (it.payload as Value.Integer).value }
