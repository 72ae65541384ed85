# 検索エンジン、メッセージアプリ、カレンダーに表示されるページの説明。

head-date-pattern = y年M月d日
head-show = { $artist }、{ $place }、{ $date }。セットリストの曲に投票して、票の動きをリアルタイムで見られます。
head-show-cancelled = 中止：{ $artist }、{ $place }、{ $date }。
head-show-finished = { $artist }、{ $place }、{ $date }：ファンが投票したセットリストと、実際に演奏された曲。
head-artist-next = { $artist }：ファンが投票するライブ、曲、セットリスト。次のライブは{ $date }、{ $place }。
head-artist = { $artist }：ファンが投票するライブ、曲、セットリスト。発表されたライブはありません。
head-venue-next = { $venue }（{ $city }）のライブとファンの口コミ。次のライブは{ $date }、{ $artist }。
head-venue = { $venue }（{ $city }）のライブとファンの口コミ。発表されたライブはありません。
head-song = { $artist }の「{ $title }」を演奏するアーティスト、回数、セットリスト。
head-calendar = カレンダー
show-name = { $artist }、{ $venue }
calendar-invitation = セットリストの曲に投票：{ $address }
