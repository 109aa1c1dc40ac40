import { stripVTControlCharacters } from 'node:util'

/** Columns two spaces apart, as wide as their widest cell; the last one ragged. */
export const table = (
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string => {
  const widths = headings.map((heading, column) =>
    Math.max(width(heading), ...rows.map((row) => width(row[column] ?? ''))),
  )
  return [headings, ...rows]
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell + ' '.repeat(widths[column]! - width(cell)),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const width = (text: string): number => [...stripVTControlCharacters(text)].length
