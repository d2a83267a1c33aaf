/** The configuration has been checked to have the section of what it chooses. */
export function sectionOf<Section>(name: string, section: Section | undefined): Section {
  if (section === undefined) throw new Error(`the configuration has no section ${name}`);
  return section;
}
