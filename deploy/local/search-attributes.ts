export const SEARCH_ATTRIBUTES: Readonly<Record<string, string>> = {
  ComputeState: 'Keyword',
  ComputeOwner: 'Keyword',
  ComputeGroup: 'Keyword',
  ComputeImage: 'Keyword',
  ComputeRuntime: 'Keyword',
  ComputeReason: 'Keyword',
}
