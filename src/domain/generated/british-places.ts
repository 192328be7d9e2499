/**
 * A place where voters of a generated election live. The places look like the United Kingdom; they
 * are not a gazetteer.
 */
export interface Place {
  readonly id: string;
  readonly name: string;
  readonly type: 'county' | 'council area' | 'district';
  readonly region: string;
  /** Inhabitants in thousands, rounded. Voters are split over the places in proportion. */
  readonly weight: number;
  readonly towns: readonly string[];
  /** The letters that its postcodes begin with. */
  readonly postcodeAreas: readonly string[];
}

/** Regions and nations by their code of the Office for National Statistics. */
export const REGIONS: Readonly<Record<string, string>> = {
  E12000001: 'North East',
  E12000002: 'North West',
  E12000003: 'Yorkshire and The Humber',
  E12000004: 'East Midlands',
  E12000005: 'West Midlands',
  E12000006: 'East of England',
  E12000007: 'London',
  E12000008: 'South East',
  E12000009: 'South West',
  W92000004: 'Wales',
  S92000003: 'Scotland',
  N92000002: 'Northern Ireland',
};

type Row = readonly [name: string, weight: number, towns: string, postcodeAreas: string];

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  E12000001: [
    ['County Durham', 520, 'Durham, Bishop Auckland, Consett, Peterlee', 'DH DL'],
    ['Northumberland', 320, 'Morpeth, Alnwick, Hexham, Blyth', 'NE'],
    ['Tyne and Wear', 1140, 'Newcastle upon Tyne, Sunderland, Gateshead, South Shields', 'NE SR'],
  ],
  E12000002: [
    ['Cheshire', 1100, 'Chester, Crewe, Macclesfield, Northwich', 'CH CW WA'],
    ['Cumbria', 500, 'Carlisle, Kendal, Penrith, Whitehaven', 'CA LA'],
    ['Greater Manchester', 2870, 'Manchester, Bolton, Stockport, Oldham, Wigan', 'M BL OL SK WN'],
    ['Lancashire', 1530, 'Preston, Blackpool, Lancaster, Burnley', 'PR BB FY LA'],
    ['Merseyside', 1420, 'Liverpool, Birkenhead, St Helens, Southport', 'L CH'],
  ],
  E12000003: [
    ['East Riding of Yorkshire', 610, 'Beverley, Hull, Bridlington, Goole', 'HU YO'],
    ['North Yorkshire', 1160, 'York, Harrogate, Scarborough, Northallerton', 'YO HG DL'],
    ['South Yorkshire', 1370, 'Sheffield, Doncaster, Rotherham, Barnsley', 'S DN'],
    ['West Yorkshire', 2350, 'Leeds, Bradford, Huddersfield, Wakefield, Halifax', 'LS BD HD WF HX'],
  ],
  E12000004: [
    ['Derbyshire', 1060, 'Derby, Chesterfield, Buxton, Matlock', 'DE S SK'],
    ['Leicestershire', 1080, 'Leicester, Loughborough, Hinckley, Melton Mowbray', 'LE'],
    ['Lincolnshire', 1090, 'Lincoln, Boston, Grantham, Grimsby', 'LN PE NG'],
    ['Nottinghamshire', 1150, 'Nottingham, Mansfield, Newark-on-Trent, Worksop', 'NG'],
  ],
  E12000005: [
    ['Shropshire', 510, 'Shrewsbury, Telford, Oswestry, Ludlow', 'SY TF'],
    ['Staffordshire', 1140, 'Stafford, Stoke-on-Trent, Lichfield, Tamworth', 'ST WS'],
    ['Warwickshire', 600, 'Warwick, Rugby, Nuneaton, Stratford-upon-Avon', 'CV'],
    ['West Midlands', 2920, 'Birmingham, Coventry, Wolverhampton, Dudley, Walsall', 'B CV WV DY WS'],
  ],
  E12000006: [
    ['Cambridgeshire', 900, 'Cambridge, Peterborough, Ely, Huntingdon', 'CB PE'],
    ['Essex', 1870, 'Chelmsford, Colchester, Southend-on-Sea, Basildon', 'CM CO SS'],
    ['Hertfordshire', 1200, 'St Albans, Watford, Hertford, Stevenage', 'AL WD SG'],
    ['Norfolk', 920, "Norwich, King's Lynn, Great Yarmouth, Thetford", 'NR PE IP'],
    ['Suffolk', 760, 'Ipswich, Bury St Edmunds, Lowestoft, Sudbury', 'IP'],
  ],
  E12000007: [
    ['Greater London', 8870, 'London, Croydon, Bromley, Harrow, Kingston upon Thames', 'N E SE SW W NW CR BR HA KT'],
  ],
  E12000008: [
    ['East Sussex', 830, 'Brighton, Lewes, Hastings, Eastbourne', 'BN TN'],
    ['Hampshire', 1870, 'Southampton, Portsmouth, Winchester, Basingstoke', 'SO PO RG'],
    ['Kent', 1870, 'Canterbury, Maidstone, Dover, Tunbridge Wells', 'CT ME TN'],
    ['Surrey', 1210, 'Guildford, Woking, Epsom, Reigate', 'GU KT RH'],
  ],
  E12000009: [
    ['Cornwall', 570, 'Truro, Falmouth, Penzance, St Austell', 'TR PL'],
    ['Devon', 1220, 'Exeter, Plymouth, Torquay, Barnstaple', 'EX PL TQ'],
    ['Somerset', 980, 'Taunton, Bath, Yeovil, Weston-super-Mare', 'TA BA BS'],
  ],
  W92000004: [
    ['Cardiff', 370, 'Cardiff, Penarth, Whitchurch', 'CF'],
    ['Swansea', 240, 'Swansea, Gorseinon, Mumbles', 'SA'],
  ],
  S92000003: [
    ['City of Edinburgh', 520, 'Edinburgh, Leith, South Queensferry', 'EH'],
    ['Glasgow City', 630, 'Glasgow', 'G'],
    ['Highland', 240, 'Inverness, Fort William, Thurso, Nairn', 'IV PH KW'],
  ],
  N92000002: [['Belfast', 350, 'Belfast', 'BT']],
};

const TYPES: Readonly<Record<string, Place['type']>> = { W: 'council area', S: 'council area', N: 'district' };

const slug = (name: string): string => name.toLowerCase().replaceAll(' ', '-');

export const PLACES: readonly Place[] = Object.entries(ROWS).flatMap(([region, rows]) =>
  rows.map(([name, weight, towns, postcodeAreas]) => ({
    id: slug(name),
    name,
    type: TYPES[region.charAt(0)] ?? 'county',
    region,
    weight,
    towns: towns.split(', '),
    postcodeAreas: postcodeAreas.split(' '),
  })),
);
