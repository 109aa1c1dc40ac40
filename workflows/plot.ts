/**
 * The way today's runs take where an earlier version's took another. A run keeps to the way of the
 * worker that carried out its first task, so that its history replays on later versions; history names
 * that worker by its build id. Each continue-as-new moves on to today's.
 *
 * 2: a life is fewer events. 3: a delete tries to save for its whole bound, what is turned off asks no
 * more, a schedule's hibernation gives way to activity. 4: a wake that waited behind a hibernation
 * that could not be saved ends its retries, a hibernation that someone asked for outlasts a drain's move, no
 * wake ends the move, and a commit that fails is an event. 5: a wake, or a moved lifetime, calls off a
 * hibernation that is still asked about, and outlasts one that does not come to pass; an end that a schedule
 * announced outlasts the sandbox, a cancel a drain's move; what is asked while the idle timer asks comes
 * first, and a commit that came too late is an event; of two schedules or extensions the later stands; a loss is
 * looked at once, and soon.
 */
export const PLOT = 5

const PREFIX = 'dormouse-plot-'

/** What a worker of this version calls itself. */
export const BUILD_ID = `${PREFIX}${PLOT}`

/** Workers from before there was a second plot had no name of ours. */
export const plotOf = (buildId: string | undefined): number =>
  buildId?.startsWith(PREFIX) ? Number(buildId.slice(PREFIX.length)) : 1
